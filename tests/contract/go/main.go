// SPDX-License-Identifier: Apache-2.0

// Command contract speaks to an ARM endpoint with the official Go client of Azure Container
// Instances and prints a line for each check: "ok NAME" or "not ok NAME: REASON".
//
// Environment: ENDPOINT, CA_FILE, SUBSCRIPTION, TENANT, CLIENT, SECRET, RESOURCE_GROUP, LOCATION.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	aci "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerinstance/armcontainerinstance/v2"
)

const group = "go-sdk"

var (
	resourceGroup = os.Getenv("RESOURCE_GROUP")
	location      = os.Getenv("LOCATION")
	polling       = &runtime.PollUntilDoneOptions{Frequency: time.Second}
)

type session struct {
	ctx        context.Context
	groups     *aci.ContainerGroupsClient
	containers *aci.ContainersClient
	location   *aci.LocationClient
}

func options() (policy.ClientOptions, error) {
	pem, err := os.ReadFile(os.Getenv("CA_FILE"))
	if err != nil {
		return policy.ClientOptions{}, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return policy.ClientOptions{}, errors.New("CA_FILE holds no certificate")
	}
	endpoint := os.Getenv("ENDPOINT")
	return policy.ClientOptions{
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: endpoint,
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {
					Audience: "https://management.azure.com", Endpoint: endpoint},
			},
		},
		Transport: &http.Client{
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
			Timeout:   time.Minute,
		},
	}, nil
}

func connect(ctx context.Context) (*session, error) {
	client, err := options()
	if err != nil {
		return nil, err
	}
	credential, err := azidentity.NewClientSecretCredential(
		os.Getenv("TENANT"), os.Getenv("CLIENT"), os.Getenv("SECRET"),
		&azidentity.ClientSecretCredentialOptions{
			ClientOptions: client, DisableInstanceDiscovery: true})
	if err != nil {
		return nil, err
	}
	factory, err := aci.NewClientFactory(
		os.Getenv("SUBSCRIPTION"), credential, &arm.ClientOptions{ClientOptions: client})
	if err != nil {
		return nil, err
	}
	return &session{ctx, factory.NewContainerGroupsClient(), factory.NewContainersClient(),
		factory.NewLocationClient()}, nil
}

func body() aci.ContainerGroup {
	return aci.ContainerGroup{
		Location: to.Ptr(location),
		Tags:     map[string]*string{"client": to.Ptr("go")},
		Properties: &aci.ContainerGroupPropertiesProperties{
			OSType:        to.Ptr(aci.OperatingSystemTypesLinux),
			RestartPolicy: to.Ptr(aci.ContainerGroupRestartPolicyNever),
			Containers: []*aci.Container{{
				Name: to.Ptr("app"),
				Properties: &aci.ContainerProperties{
					Image: to.Ptr("registry.example/app:1"),
					EnvironmentVariables: []*aci.EnvironmentVariable{{
						Name: to.Ptr("PASSWORD"), SecureValue: to.Ptr("secret-of-environment")}},
					Resources: &aci.ResourceRequirements{Requests: &aci.ResourceRequests{
						CPU: to.Ptr(1.0), MemoryInGB: to.Ptr(1.0)}},
				},
			}},
		},
	}
}

// expect names what differs; all is well when it returns nil.
func expect(name string, have, want any) error {
	if have != want {
		return fmt.Errorf("%s is %v, not %v", name, have, want)
	}
	return nil
}

func (s *session) state() (string, error) {
	got, err := s.groups.Get(s.ctx, resourceGroup, group, nil)
	if err != nil {
		return "", err
	}
	return *got.Properties.InstanceView.State, nil
}

func (s *session) expectState(want string) error {
	have, err := s.state()
	if err != nil {
		return err
	}
	return expect("state", have, want)
}

func (s *session) create() error {
	poller, err := s.groups.BeginCreateOrUpdate(s.ctx, resourceGroup, group, body(), nil)
	if err != nil {
		return err
	}
	made, err := poller.PollUntilDone(s.ctx, polling)
	if err != nil {
		return err
	}
	variable := made.Properties.Containers[0].Properties.EnvironmentVariables[0]
	if variable.SecureValue != nil {
		return errors.New("the secure value came back")
	}
	return errors.Join(expect("name", *made.Name, group),
		expect("provisioningState", *made.Properties.ProvisioningState, "Succeeded"),
		s.expectState("Running"))
}

// validate asks what the virtual-kubelet provider for Azure demands of each group it reads.
func (s *session) validate() error {
	got, err := s.groups.Get(s.ctx, resourceGroup, group, nil)
	if err != nil {
		return err
	}
	if got.ID == nil || got.Tags == nil || got.Properties.InstanceView.State == nil {
		return errors.New("id, tags or instanceView.state is missing")
	}
	for _, container := range got.Properties.Containers {
		view := container.Properties.InstanceView
		if container.Properties.Ports == nil || container.Properties.Image == nil || view == nil ||
			view.CurrentState == nil || view.CurrentState.StartTime == nil {
			return errors.New("ports, image or currentState.startTime is missing")
		}
	}
	return nil
}

func (s *session) list() error {
	pager := s.groups.NewListByResourceGroupPager(resourceGroup, nil)
	for pager.More() {
		page, err := pager.NextPage(s.ctx)
		if err != nil {
			return err
		}
		for _, item := range page.Value {
			if *item.Name == group {
				return nil
			}
		}
	}
	return errors.New("the group is not listed")
}

func (s *session) update() error {
	tags := map[string]*string{"client": to.Ptr("go"), "more": to.Ptr("1")}
	got, err := s.groups.Update(s.ctx, resourceGroup, group, aci.Resource{Tags: tags}, nil)
	if err != nil {
		return err
	}
	return expect("number of tags", len(got.Tags), 2)
}

func (s *session) logs() error {
	got, err := s.containers.ListLogs(s.ctx, resourceGroup, group, "app",
		&aci.ContainersClientListLogsOptions{Tail: to.Ptr[int32](5), Timestamps: to.Ptr(true)})
	if err == nil && got.Content == nil {
		err = errors.New("no content")
	}
	return err
}

func (s *session) stop() error {
	if _, err := s.groups.Stop(s.ctx, resourceGroup, group, nil); err != nil {
		return err
	}
	return s.expectState("Stopped")
}

func (s *session) start() error {
	poller, err := s.groups.BeginStart(s.ctx, resourceGroup, group, nil)
	if err != nil {
		return err
	}
	if _, err = poller.PollUntilDone(s.ctx, polling); err != nil {
		return err
	}
	return s.expectState("Running")
}

func (s *session) restart() error {
	poller, err := s.groups.BeginRestart(s.ctx, resourceGroup, group, nil)
	if err != nil {
		return err
	}
	if _, err = poller.PollUntilDone(s.ctx, polling); err != nil {
		return err
	}
	return s.expectState("Running")
}

func (s *session) usages() error {
	page, err := s.location.NewListUsagePager(location, nil).NextPage(s.ctx)
	if err == nil && len(page.Value) == 0 {
		err = errors.New("no usages")
	}
	return err
}

func (s *session) capabilities() error {
	page, err := s.location.NewListCapabilitiesPager(location, nil).NextPage(s.ctx)
	if err == nil && len(page.Value) == 0 {
		err = errors.New("no capabilities")
	}
	return err
}

// refused checks the code of the error that a call gives.
func refused(err error, status int, code string) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("no error of ARM: %v", err)
	}
	return errors.Join(expect("status", answer.StatusCode, status),
		expect("code", answer.ErrorCode, code))
}

func (s *session) refusal() error {
	wrong := body()
	wrong.Properties.OSType = nil
	_, err := s.groups.BeginCreateOrUpdate(s.ctx, resourceGroup, "go-sdk-refused", wrong, nil)
	return refused(err, http.StatusBadRequest, "InvalidOsType")
}

func (s *session) remove() error {
	poller, err := s.groups.BeginDelete(s.ctx, resourceGroup, group, nil)
	if err != nil {
		return err
	}
	if _, err = poller.PollUntilDone(s.ctx, polling); err != nil {
		return err
	}
	_, err = s.groups.Get(s.ctx, resourceGroup, group, nil)
	return refused(err, http.StatusNotFound, "ResourceNotFound")
}

func (s *session) removeAgain() error {
	_, err := s.groups.BeginDelete(s.ctx, resourceGroup, group, nil)
	return err
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := connect(ctx)
	if err != nil {
		fmt.Println("not ok connect:", err)
		os.Exit(1)
	}
	checks := []struct {
		name string
		run  func() error
	}{
		{"create", s.create}, {"what virtual-kubelet demands", s.validate}, {"list", s.list},
		{"update tags", s.update}, {"logs", s.logs}, {"stop", s.stop}, {"start", s.start},
		{"restart", s.restart}, {"usages", s.usages}, {"capabilities", s.capabilities},
		{"refusal", s.refusal}, {"delete", s.remove}, {"delete again", s.removeAgain},
	}
	failed := false
	for _, check := range checks {
		if err := check.run(); err != nil {
			failed = true
			fmt.Printf("not ok %s: %s\n", check.name, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println("ok", check.name)
	}
	if failed {
		os.Exit(1)
	}
}
