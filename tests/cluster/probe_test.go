package cluster

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// probeMax bounds the wait of a probe. A policy drops packets, so a denied connection times
// out.
const probeMax = 3 * time.Second

// probe runs this program as a client or a server in the network of a pod:
//
//	tests.test dial NETWORK ADDRESS
//	tests.test listen NETWORK ADDRESS
//	tests.test collect NETWORK ADDRESS
func probe(arguments []string) (code int, ok bool) {
	acts := map[string]func(network, address string) error{"dial": dial, "listen": listen, "collect": collect}
	if len(arguments) != 3 || acts[arguments[0]] == nil {
		return 0, false
	}
	if err := acts[arguments[0]](arguments[1], arguments[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// dial sends a line and waits for its echo.
func dial(network, address string) error {
	connection, err := net.DialTimeout(network, address, probeMax)
	if err != nil {
		return err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(probeMax))
	if _, err := fmt.Fprintln(connection, "GET /healthz HTTP/1.0\r\n\r"); err != nil {
		return err
	}
	_, err = connection.Read(make([]byte, 1))
	return err
}

// listen echoes what it receives until the program is stopped.
func listen(network, address string) error {
	if network == "udp" {
		socket, err := net.ListenPacket(network, address)
		if err != nil {
			return err
		}
		fmt.Println("listening")
		for buffer := make([]byte, 512); ; {
			length, peer, err := socket.ReadFrom(buffer)
			if err != nil {
				return err
			}
			if _, err := socket.WriteTo(buffer[:length], peer); err != nil {
				return err
			}
		}
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintln(connection, "hello")
		connection.Close()
	}
}

// collect answers each request with 200 and writes the body to its output.
func collect(network, address string) error {
	listener, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	return http.Serve(listener, http.HandlerFunc(func(_ http.ResponseWriter, message *http.Request) {
		io.Copy(os.Stdout, message.Body)
	}))
}
