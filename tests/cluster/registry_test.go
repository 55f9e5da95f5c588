package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	nodeAddress = "10.77.0.2"
	// emptyConfig is the configuration of each artifact.
	emptyConfig = "{}"
)

// A registry serves components by digest, over TLS, at an address of the node.
type registry struct {
	address string
	// authority is the certificate to trust.
	authority string
	mutex     sync.Mutex
	// contents are manifests and blobs by their path.
	contents map[string][]byte
	// held blobs are answered when their channel is closed.
	held map[string]chan struct{}
	// asked counts requests by path.
	asked map[string]int
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

func startRegistry(t *testing.T) *registry {
	t.Helper()
	certificate, authority := certificate(t)
	listener, err := tls.Listen("tcp", nodeAddress+":0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	r := &registry{
		address: listener.Addr().String(), authority: authority,
		contents: map[string][]byte{}, held: map[string]chan struct{}{}, asked: map[string]int{},
	}
	server := &http.Server{Handler: r}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return r
}

// port is the port of the registry.
func (r *registry) port() string { return r.address[strings.LastIndex(r.address, ":")+1:] }

// add stores a component and returns its reference and the path of its bytes.
func (r *registry) add(name string, component []byte) (reference, blob string) {
	manifest := fmt.Appendf(nil, `{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": %q, "size": %d},
		"layers": [{"mediaType": "application/wasm", "digest": %q, "size": %d}]}`,
		digest([]byte(emptyConfig)), len(emptyConfig), digest(component), len(component))
	path := "/v2/" + name
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.contents[path+"/manifests/"+digest(manifest)] = manifest
	r.contents[path+"/blobs/"+digest([]byte(emptyConfig))] = []byte(emptyConfig)
	blob = path + "/blobs/" + digest(component)
	r.contents[blob] = component
	return "oci://" + r.address + "/" + name + "@" + digest(manifest), blob
}

// hold keeps requests for a blob waiting until the returned function is called.
func (r *registry) hold(blob string) (release func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	held := make(chan struct{})
	r.held[blob] = held
	return sync.OnceFunc(func() { close(held) })
}

// requests returns the number of requests for a path, or of all requests.
func (r *registry) requests(path string) (count int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for asked, times := range r.asked {
		if path == "" || path == asked {
			count += times
		}
	}
	return count
}

func (r *registry) ServeHTTP(w http.ResponseWriter, message *http.Request) {
	path := message.URL.Path
	r.mutex.Lock()
	r.asked[path]++
	content, held := r.contents[path], r.held[path]
	r.mutex.Unlock()
	if content == nil {
		http.NotFound(w, message)
		return
	}
	if held != nil {
		select {
		case <-held:
		case <-message.Context().Done():
			return
		}
	}
	kind := "application/octet-stream"
	if strings.Contains(path, "/manifests/") {
		kind = "application/vnd.oci.image.manifest.v1+json"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.Write(content)
}

// certificate returns a certificate for the node's address, and its authority.
func certificate(t *testing.T) (server tls.Certificate, authority string) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registry of the tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		IPAddresses: []net.IP{net.ParseIP(nodeAddress)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootKey, leafKey := key(), key()
	rootBytes, err := x509.CreateCertificate(rand.Reader, root, root, &rootKey.PublicKey, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	leafBytes, err := x509.CreateCertificate(rand.Reader, leaf, root, &leafKey.PublicKey, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootBytes}))
	return tls.Certificate{Certificate: [][]byte{leafBytes}, PrivateKey: leafKey}, authority
}
