# SPDX-License-Identifier: Apache-2.0
"""azure-mgmt-containerinstance against simulated containers, for both api-versions."""

import azure.core.exceptions
import azure.mgmt.containerinstance.models as models
import pytest

import bodies
from clients import Rest
from emulator import LOCATION, RESOURCE_GROUP, SUBSCRIPTION
from polling import eventually

GROUP_TYPE = "Microsoft.ContainerInstance/containerGroups"


def model(*command, restart_policy="Never", tags=None):
    """The same as bodies.group(), made of the SDK's own classes."""
    requests = models.ResourceRequests(cpu=1.0, memory_in_gb=1.0)
    return models.ContainerGroup(
        location=LOCATION, os_type="Linux", restart_policy=restart_policy, tags=tags,
        containers=[models.Container(
            name="app", image="registry.example/app:1", command=list(command) or None,
            ports=[models.ContainerPort(port=8080)],
            environment_variables=[
                models.EnvironmentVariable(name="MODE", value="fast"),
                models.EnvironmentVariable(name="PASSWORD",
                                           secure_value=bodies.ENVIRONMENT_SECRET)],
            resources=models.ResourceRequirements(requests=requests))])


def create(sdk, name, *command, **more):
    return sdk.container_groups.begin_create_or_update(
        RESOURCE_GROUP, name, model(*command, **more)).result()


def state(sdk, name):
    return sdk.container_groups.get(RESOURCE_GROUP, name).instance_view.state


def test_create_waits_until_the_group_runs(sdk, group):
    made = create(sdk, group, tags={"team": "burst"})
    assert (made.name, made.type, made.location) == (group, GROUP_TYPE, LOCATION)
    assert made.id == Rest.path(group)
    assert made.provisioning_state == "Succeeded"
    assert made.instance_view.state == "Running"
    assert made.tags == {"team": "burst"}
    (container,) = made.containers
    assert container.instance_view.current_state.state == "Running"
    assert container.instance_view.restart_count == 0
    names = [event.name for event in container.instance_view.events]
    assert names.index("Pulled") < names.index("Started")
    assert [(v.name, v.value, v.secure_value) for v in container.environment_variables] == [
        ("MODE", "fast", None), ("PASSWORD", None, None)]
    assert container.ports[0].protocol == "TCP"


def test_defaults_are_filled_in(sdk, group):
    body = model()
    body.restart_policy = None
    made = sdk.container_groups.begin_create_or_update(RESOURCE_GROUP, group, body).result()
    assert (made.restart_policy, made.sku, made.init_containers) == ("Always", "Standard", [])


def test_group_that_ends_tells_its_exit_code(sdk, group):
    create(sdk, group, "exit", "3")
    eventually(lambda: state(sdk, group) == "Failed", 20, "the group failed")
    seen = sdk.container_groups.get(RESOURCE_GROUP, group)
    current = seen.containers[0].instance_view.current_state
    assert (current.state, current.exit_code, current.detail_status) == ("Terminated", 3, "Error")
    assert current.start_time <= current.finish_time
    assert seen.provisioning_state == "Succeeded"


def test_list_follows_every_page_without_instance_views(sdk, group):
    names = [f"{group}-{i}"[-63:].strip("-") for i in range(5)]
    for name in names:
        create(sdk, name)
    try:
        for listed in (sdk.container_groups.list_by_resource_group(RESOURCE_GROUP),
                       sdk.container_groups.list()):
            pages = [list(page) for page in listed.by_page()]
            assert len(pages) >= 3, "--page-size is 2"
            found = [item for page in pages for item in page]
            assert sorted(item.name for item in found if item.name in names) == sorted(names)
            assert {item.provisioning_state for item in found if item.name in names} == {"Succeeded"}
            assert not any(item.instance_view for item in found)
    finally:
        for name in names:
            sdk.container_groups.begin_delete(RESOURCE_GROUP, name).result()


def test_update_changes_tags_alone(sdk, group):
    before = create(sdk, group, tags={"a": "1"})
    after = sdk.container_groups.update(RESOURCE_GROUP, group, models.Resource(tags={"b": "2"}))
    assert after.tags == {"b": "2"}
    start = [g.containers[0].instance_view.current_state.start_time for g in (before, after)]
    assert start[0] == start[1]


def test_put_again_restarts_the_containers(sdk, group):
    before = create(sdk, group)
    after = create(sdk, group)
    start = [g.containers[0].instance_view.current_state.start_time for g in (before, after)]
    assert start[0] < start[1]


def test_stop_start_restart(sdk, group):
    create(sdk, group, restart_policy="Always")
    groups = sdk.container_groups
    groups.stop(RESOURCE_GROUP, group)
    stopped = groups.get(RESOURCE_GROUP, group)
    assert stopped.instance_view.state == "Stopped"
    view = stopped.containers[0].instance_view
    assert (view.current_state.state, view.current_state.exit_code) == ("Terminated", None)
    assert view.previous_state.state == "Running"

    groups.begin_start(RESOURCE_GROUP, group).result()
    started = groups.get(RESOURCE_GROUP, group)
    assert started.instance_view.state == "Running"

    groups.begin_restart(RESOURCE_GROUP, group).result()
    restarted = groups.get(RESOURCE_GROUP, group)
    assert restarted.instance_view.state == "Running"
    starts = [g.containers[0].instance_view.current_state.start_time for g in (started, restarted)]
    assert starts[0] < starts[1]


def test_start_of_a_running_group_does_nothing(sdk, group):
    before = create(sdk, group)
    sdk.container_groups.begin_start(RESOURCE_GROUP, group).result()
    after = sdk.container_groups.get(RESOURCE_GROUP, group)
    start = [g.containers[0].instance_view.current_state.start_time for g in (before, after)]
    assert start[0] == start[1]


def test_delete_returns_the_last_known_group_and_then_nothing(sdk, group):
    create(sdk, group)
    gone = sdk.container_groups.begin_delete(RESOURCE_GROUP, group).result()
    assert gone.name == group
    with pytest.raises(azure.core.exceptions.ResourceNotFoundError) as missing:
        sdk.container_groups.get(RESOURCE_GROUP, group)
    assert missing.value.error.code == "ResourceNotFound"
    sdk.container_groups.begin_delete(RESOURCE_GROUP, group).result()


def test_logs(sdk, group):
    create(sdk, group)
    logs = sdk.containers.list_logs(RESOURCE_GROUP, group, "app", tail=10, timestamps=True)
    assert logs.content is not None


def test_group_with_every_member(sdk, group):
    made = sdk.container_groups.begin_create_or_update(
        RESOURCE_GROUP, group, bodies.everything()).result()
    assert made.provisioning_state == "Succeeded"
    assert made.identity.principal_id and made.identity.tenant_id
    (identity,) = made.identity.user_assigned_identities.values()
    assert identity.principal_id and identity.client_id
    assert made.ip_address.fqdn == f"everything.{LOCATION}.azurecontainer.io"
    assert made.ip_address.ip
    volumes = {volume.name: volume for volume in made.volumes}
    assert volumes["secrets"].secret == {}
    assert volumes["share"].azure_file.storage_account_key is None
    assert made.image_registry_credentials[0].username == "robot"
    assert made.init_containers[0].instance_view.current_state.exit_code == 0
    assert made.extensions[0].settings == {"clusterCidr": "10.240.0.0/16"}


def test_usage_grows_with_each_group(sdk, group):
    def usage():
        return {item.name.value: item for item in sdk.location.list_usage(LOCATION)}

    before = usage()
    create(sdk, group)
    after = usage()
    for name, more in (("ContainerGroups", 1), ("StandardCores", 1)):
        assert after[name].current_value == before[name].current_value + more
        assert (after[name].unit, after[name].limit > 0) == ("Count", True)
        assert after[name].id == (f"/subscriptions/{SUBSCRIPTION}/providers/"
                                  f"Microsoft.ContainerInstance/locations/{LOCATION}/usages/{name}")


def test_catalogues(sdk, group):
    capabilities = list(sdk.location.list_capabilities(LOCATION))
    assert {(c.os_type, c.ip_address_type) for c in capabilities} >= {
        ("Linux", "Public"), ("Linux", "Private")}
    assert capabilities[0].capabilities.max_cpu >= 4
    assert isinstance(list(sdk.location.list_cached_images(LOCATION)), list)
    operations = [operation.name for operation in sdk.operations.list()]
    assert f"{GROUP_TYPE}/write" in operations
    create(sdk, group)
    found = sdk.container_groups.get_outbound_network_dependencies_endpoints(RESOURCE_GROUP, group)
    assert found == []
