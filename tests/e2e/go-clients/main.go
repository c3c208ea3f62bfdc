// SPDX-License-Identifier: Apache-2.0

// The Go clients of Kubernetes, straight to a kubelet port and through an API server: SPDY and
// websocket for commands and for forwarded ports. Prints `ok NAME` or `FAILED NAME: why` for each
// check; ends with 1 when one failed. The pod's container main has a shell, bare has none; a web server
// listens on port 80.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
)

const (
	both       = "echo out; echo err >&2; exit "
	inputBytes = 4 << 20
	floodBytes = 16 << 20
	commands   = 24
	atOnce     = 8
	forwarded  = 40
	patience   = 2 * time.Minute
)

var (
	kubelet = flag.String("kubelet", "", "https://ADDRESS:PORT")
	server  = flag.String("server", "", "https://ADDRESS:PORT of the API server")
	pod     = flag.String("pod", "", "NAMESPACE/NAME")
	ca      = flag.String("ca", "", "authority of both their certificates")
	cert    = flag.String("cert", "", "client certificate that both believe")
	key     = flag.String("key", "", "its key")
	failed  bool
)

func check(name string, problem error) {
	if problem == nil {
		fmt.Println("ok", name)
		return
	}
	failed = true
	fmt.Printf("FAILED %s: %v\n", name, problem)
}

// place is where the clients turn to.
type place struct {
	name   string
	config *rest.Config
	isAPI  bool // an API server's paths and parameters have other names
}

func (p place) at(path string, query url.Values) *url.URL {
	u, err := url.Parse(p.config.Host)
	if err != nil {
		panic(err)
	}
	u.Path, u.RawQuery = path, query.Encode()
	return u
}

func (p place) subresource(name string, query url.Values) *url.URL {
	namespace, pod, _ := strings.Cut(*pod, "/")
	return p.at("/api/v1/namespaces/"+namespace+"/pods/"+pod+"/"+name, query)
}

func (p place) ports() *url.URL {
	if p.isAPI {
		return p.subresource("portforward", nil)
	}
	return p.at("/portForward/"+*pod, nil)
}

type streams struct{ input, output, stderr, tty bool }

// command is the URL of an exec of `sh -c script`.
func (p place) command(container, script string, s streams) *url.URL {
	query := url.Values{"command": {"sh", "-c", script}}
	for _, stream := range []struct {
		wanted        bool
		kubelet, pods string
	}{{s.input, "input", "stdin"}, {s.output, "output", "stdout"},
		{s.stderr, "error", "stderr"}, {s.tty, "tty", "tty"}} {
		if stream.wanted && p.isAPI {
			query.Set(stream.pods, "true")
		} else if stream.wanted {
			query.Set(stream.kubelet, "1")
		}
	}
	if p.isAPI {
		query.Set("container", container)
		return p.subresource("exec", query)
	}
	return p.at("/exec/"+*pod+"/"+container, query)
}

// dial makes a client of one protocol.
type dial struct {
	place
	open func(*rest.Config, *url.URL) (remotecommand.Executor, error)
}

func (d dial) run(script string, s streams, o remotecommand.StreamOptions) error {
	return d.runIn("main", script, s, o)
}

func (d dial) runIn(container, script string, s streams, o remotecommand.StreamOptions) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	executor, err := d.open(d.config, d.command(container, script, s))
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, o)
}

// exits runs a command that writes to both streams and ends with code.
func (d dial) exits(code int) error {
	var out, stderr bytes.Buffer
	err := d.run(fmt.Sprint(both, code), streams{output: true, stderr: true},
		remotecommand.StreamOptions{Stdout: &out, Stderr: &stderr})
	got := 0
	var exit exec.CodeExitError
	if errors.As(err, &exit) {
		got, err = exit.Code, nil
	}
	if err != nil {
		return err
	}
	if got != code || out.String() != "out\n" || stderr.String() != "err\n" {
		return fmt.Errorf("exit %d, stdout %q, stderr %q", got, out.String(), stderr.String())
	}
	return nil
}

// fails: the container has no shell, which is found out when the streams are there already.
func (d dial) fails() error {
	err := d.runIn("bare", "true", streams{output: true},
		remotecommand.StreamOptions{Stdout: io.Discard})
	var exit exec.CodeExitError
	if err == nil || errors.As(err, &exit) || !strings.Contains(err.Error(), "/bin/sh") {
		return fmt.Errorf("without a shell: %v", err)
	}
	return nil
}

func (d dial) echoesInput(size int) error {
	data := make([]byte, size)
	_, _ = rand.Read(data)
	var out bytes.Buffer
	err := d.run("exec cat", streams{input: true, output: true, stderr: true},
		remotecommand.StreamOptions{Stdin: bytes.NewReader(data), Stdout: &out, Stderr: io.Discard})
	if err == nil && !bytes.Equal(data, out.Bytes()) {
		err = fmt.Errorf("%d bytes came back, or other ones", out.Len())
	}
	return err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func (d dial) floods(size int) error {
	var n counter
	err := d.run(fmt.Sprintf("head -c %d /dev/zero", size), streams{output: true},
		remotecommand.StreamOptions{Stdout: &n})
	if err == nil && int(n) != size {
		err = fmt.Errorf("%d bytes", n)
	}
	return err
}

type sizes chan remotecommand.TerminalSize

func (s sizes) Next() *remotecommand.TerminalSize {
	size, more := <-s
	if !more {
		return nil
	}
	return &size
}

// lines hands out what a terminal shows, line by line.
type lines struct {
	text bytes.Buffer
	came chan string
}

func (l *lines) Write(p []byte) (int, error) {
	l.text.Write(p)
	for {
		line, err := l.text.ReadString('\n')
		if err != nil {
			l.text.WriteString(line)
			return len(p), nil
		}
		l.came <- strings.TrimSpace(line)
	}
}

// resizes: the terminal has the size of the client, first and later.
func (d dial) resizes() error {
	queue, output := make(sizes, 2), &lines{came: make(chan string, 100)}
	input, typed := io.Pipe()
	queue <- remotecommand.TerminalSize{Width: 80, Height: 24}
	ended := make(chan error, 1)
	go func() {
		ended <- d.run("stty -echo; while read x; do stty size; done",
			streams{input: true, output: true, tty: true}, remotecommand.StreamOptions{
				Stdin: input, Stdout: output, Tty: true, TerminalSizeQueue: queue})
	}()
	sees := func(wanted string) error {
		deadline := time.After(patience)
		for {
			_, _ = typed.Write([]byte("\n"))
			select {
			case line := <-output.came:
				if line == wanted {
					return nil
				}
			case err := <-ended:
				return fmt.Errorf("it ended before it saw %s: %v", wanted, err)
			case <-time.After(200 * time.Millisecond):
			case <-deadline:
				return fmt.Errorf("it never saw %s", wanted)
			}
		}
	}
	if err := sees("24 80"); err != nil {
		return err
	}
	queue <- remotecommand.TerminalSize{Width: 132, Height: 50}
	if err := sees("50 132"); err != nil {
		return err
	}
	close(queue)
	_, _ = typed.Write([]byte{4}) // the terminal's end of input
	go func() {
		for range output.came {
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		return errors.New("it does not end")
	}
}

func (d dial) manyAtOnce() error {
	var group sync.WaitGroup
	problems, slots := make(chan error, commands), make(chan bool, atOnce)
	for i := range commands {
		slots <- true
		group.Go(func() {
			defer func() { <-slots }()
			problems <- d.exits(i + 1)
		})
	}
	group.Wait()
	close(problems)
	var all error
	for problem := range problems {
		all = errors.Join(all, problem)
	}
	return all
}

func checkCommands(protocol string, d dial) {
	name := d.name + "/" + protocol
	check(name+"/exit code, stdout, stderr", d.exits(7))
	check(name+"/success", d.exits(0))
	check(name+"/failure of the platform", d.fails())
	// Much data takes long, since each message of input to ACI is short: once is enough.
	share := 8
	if !d.isAPI && protocol == "SPDY" {
		share = 1
	}
	check(name+"/input and its end", d.echoesInput(inputBytes/share))
	check(name+"/terminal and its size", d.resizes())
	check(name+"/flood", d.floods(floodBytes/share))
	check(name+"/many at once", d.manyAtOnce())
}

// failsByText: before version 4 an exit code is part of a text and nothing else.
func (d dial) failsByText() error {
	var out, stderr bytes.Buffer
	err := d.run(fmt.Sprint(both, 7), streams{output: true, stderr: true},
		remotecommand.StreamOptions{Stdout: &out, Stderr: &stderr})
	var exit exec.CodeExitError
	if err == nil || errors.As(err, &exit) || !strings.Contains(err.Error(), "exit status 7") ||
		out.String() != "out\n" || stderr.String() != "err\n" {
		return fmt.Errorf("%v, stdout %q, stderr %q", err, out.String(), stderr.String())
	}
	return nil
}

// checkOld speaks what clients of clusters long ago speak, and no newer version.
func (p place) checkOld() {
	for version, protocol := range []string{
		1: "channel.k8s.io", 2: "v2.channel.k8s.io", 3: "v3.channel.k8s.io"} {
		if protocol == "" {
			continue
		}
		d := dial{p, func(config *rest.Config, u *url.URL) (remotecommand.Executor, error) {
			transport, upgrader, err := spdy.RoundTripperFor(config)
			if err != nil {
				return nil, err
			}
			return remotecommand.NewSPDYExecutorForProtocols(transport, upgrader, "POST", u, protocol)
		}}
		name := fmt.Sprintf("%s/SPDY v%d", p.name, version)
		check(name+"/success", d.exits(0))
		// Of version 1 the client itself may miss a failure, and it never ends its input.
		if version > 1 {
			check(name+"/failure is a text", d.failsByText())
			check(name+"/input and its end", d.echoesInput(1<<16))
		}
		if version > 2 {
			check(name+"/terminal and its size", d.resizes())
		}
	}
}

// checkRaw reads the messages of an old websocket client; status is part of how the command ended.
func (p place) checkRaw(name, protocol, status string, decode func([]byte) (byte, []byte), config *tls.Config) {
	name = p.name + "/" + name
	dialer := websocket.Dialer{TLSClientConfig: config}
	if protocol != "" {
		dialer.Subprotocols = []string{protocol}
	}
	u := p.command("main", both+"3", streams{output: true, stderr: true})
	u.Scheme = "wss"
	connection, _, err := dialer.Dial(u.String(), nil)
	if err != nil {
		check(name, err)
		return
	}
	defer connection.Close()
	_ = connection.SetReadDeadline(time.Now().Add(patience))
	got := map[byte]string{}
	for {
		_, message, err := connection.ReadMessage()
		if err != nil {
			if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				check(name, err)
				return
			}
			break
		}
		channel, data := decode(message)
		got[channel] += string(data)
	}
	if got[1] != "out\n" || got[2] != "err\n" || !strings.Contains(got[3], status) {
		check(name, fmt.Errorf("%q", got))
		return
	}
	check(name, nil)
}

// fetch is what the pod's web server answers to a client that half-closes behind its request.
func fetch(port uint16) (string, error) {
	connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(connection, "GET / HTTP/1.0\r\nHost: pod\r\n\r\n"); err != nil {
		return "", err
	}
	_ = connection.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(connection)
	_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	if err == nil && (!strings.HasPrefix(string(answer), "HTTP/1.") || body == "") {
		err = fmt.Errorf("the web server said %q", answer)
	}
	return body, err
}

type start func(stop, ready chan struct{}) (*portforward.PortForwarder, error)

func checkForward(name string, forward start) {
	check(name, func() error {
		stop, ready, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		forwarder, err := forward(stop, ready)
		if err != nil {
			return err
		}
		go func() { ended <- forwarder.ForwardPorts() }()
		defer close(stop)
		select {
		case <-ready:
		case err := <-ended:
			return err
		}
		ports, err := forwarder.GetPorts()
		if err != nil {
			return err
		}
		expected, err := fetch(ports[0].Local)
		if err != nil {
			return err
		}
		// The web server's queue of connections is short, and what comes over it is reset.
		problems, slots := make(chan error, forwarded), make(chan bool, atOnce)
		for range forwarded {
			slots <- true
			go func() {
				defer func() { <-slots }()
				body, err := fetch(ports[0].Local)
				if err == nil && body != expected {
					err = fmt.Errorf("%q instead of %q", body, expected)
				}
				problems <- err
			}()
		}
		for range forwarded {
			if err := <-problems; err != nil {
				return err
			}
		}
		return refused(ports[1].Local)
	}())
}

// refused: nobody listens in the pod, so the connection ends; client-go logs why.
func refused(port uint16) error {
	connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer connection.Close()
	_, _ = connection.Write([]byte("x"))
	_ = connection.SetReadDeadline(time.Now().Add(patience))
	data, err := io.ReadAll(connection)
	var timeout net.Error
	if len(data) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("a port where nobody listens: %q, %v", data, err)
	}
	return nil
}

func (p place) checkAll(raw *tls.Config) {
	checkCommands("SPDY", dial{p, func(config *rest.Config, u *url.URL) (remotecommand.Executor, error) {
		return remotecommand.NewSPDYExecutor(config, "POST", u)
	}})
	checkCommands("websocket v5", dial{p, func(config *rest.Config, u *url.URL) (remotecommand.Executor, error) {
		return remotecommand.NewWebSocketExecutor(config, "GET", u.String())
	}})
	p.checkOld()
	plain := func(m []byte) (byte, []byte) { return m[0], m[1:] }
	base64s := func(m []byte) (byte, []byte) {
		data, _ := base64.StdEncoding.DecodeString(string(m[1:]))
		return m[0] - '0', data
	}
	p.checkRaw("websocket v4", "v4.channel.k8s.io", `"message":"3"`, plain, raw)
	p.checkRaw("websocket v4, base64", "v4.base64.channel.k8s.io", `"message":"3"`, base64s, raw)
	p.checkRaw("websocket v1", "channel.k8s.io", "exit status 3", plain, raw)
	p.checkRaw("websocket v1, base64", "base64.channel.k8s.io", "exit status 3", base64s, raw)
	p.checkRaw("websocket without a version", "", "exit status 3", plain, raw)
	ports := []string{":80", ":1"}
	checkForward(p.name+"/ports over SPDY", func(stop, ready chan struct{}) (*portforward.PortForwarder, error) {
		transport, upgrader, err := spdy.RoundTripperFor(p.config)
		if err != nil {
			return nil, err
		}
		dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", p.ports())
		return portforward.New(dialer, ports, stop, ready, io.Discard, io.Discard)
	})
	checkForward(p.name+"/ports over a websocket tunnel", func(stop, ready chan struct{}) (*portforward.PortForwarder, error) {
		dialer, err := portforward.NewSPDYOverWebsocketDialer(p.ports(), p.config)
		if err != nil {
			return nil, err
		}
		return portforward.New(dialer, ports, stop, ready, io.Discard, io.Discard)
	})
}

func main() {
	flag.Parse()
	files := rest.TLSClientConfig{CAFile: *ca, CertFile: *cert, KeyFile: *key}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		panic(err)
	}
	raw := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}}
	place{"kubelet", &rest.Config{Host: *kubelet, TLSClientConfig: files}, false}.checkAll(raw)
	place{"API server", &rest.Config{Host: *server, TLSClientConfig: files}, true}.checkAll(raw)
	if failed {
		os.Exit(1)
	}
}
