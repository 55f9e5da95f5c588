package e2e_test

import (
	"encoding/base64"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
)

// Media types of the CNCF's Wasm artifacts.
const (
	wasmConfig = types.MediaType("application/vnd.wasm.config.v0+json")
	wasmLayer  = types.MediaType("application/wasm")
)

// The user of a registry with passwords, and its line for htpasswd.
const (
	user     = "ali"
	password = "open sesame"
	htpasswd = "ali:$2b$04$VZnVaaRD3s.6HPBk0vGZU.6zk6E9xHOZ8qFmsWAD3sd590qjbuyL6\n"
)

var _ = Describe("Components from a registry", func() {
	var home, registry, digest string
	serve := func(more string) {
		GinkgoHelper()
		registry = serveRegistry(GinkgoT().TempDir(), more)
		digest = push(registry+"/tools/echo:1", cocoon.Guest("hostile-program.wasm"))
	}
	run := func(reference string) cocoon.Ended {
		GinkgoHelper()
		command := cocoon.Command("exec", "oci://"+registry+"/"+reference, "--", "say", "pulled")
		command.Env = append(command.Env, "HOME="+home, "XDG_CACHE_HOME="+home, "DOCKER_CONFIG="+home)
		return cocoon.RunCommand(command)
	}
	pulled := And(succeed(), HaveField("Out", "pulled\n"))
	BeforeEach(func() { home = GinkgoT().TempDir() })

	It("are named by tag", func() {
		serve("")
		Expect(run("tools/echo:1")).To(pulled)
		Expect(run("tools/echo:2")).To(failWith(125, "tools/echo:2"))
	})

	It("are pinned by digest", func() {
		serve("")
		Expect(run("tools/echo@" + digest)).To(pulled)
		Expect(run("tools/echo:1@" + digest)).To(pulled)
		other := "sha256:" + strings.Repeat("0", 64)
		Expect(run("tools/echo@" + other)).To(failWith(125, other))
	})

	It("are pulled with the credentials that Docker keeps", func() {
		passwords := filepath.Join(GinkgoT().TempDir(), "htpasswd")
		Expect(os.WriteFile(passwords, []byte(htpasswd), 0o600)).To(Succeed())
		serve("auth:\n  htpasswd:\n    realm: test\n    path: " + passwords)
		config := func(password string) {
			auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
			text := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, registry, auth)
			Expect(os.WriteFile(filepath.Join(home, "config.json"), []byte(text), 0o600)).To(Succeed())
		}
		Expect(run("tools/echo:1")).To(failWith(125, registry))
		config("open barley")
		Expect(run("tools/echo:1")).To(failWith(125, registry))
		config(password)
		Expect(run("tools/echo:1")).To(pulled)
		Expect(run("tools/echo@" + digest)).To(pulled)
	})
})

// serveRegistry starts Debian's registry with more lines of configuration, and returns its
// address.
func serveRegistry(folder, more string) string {
	GinkgoHelper()
	config := filepath.Join(folder, "registry.yml")
	text := "version: 0.1\nhttp:\n  addr: 127.0.0.1:0\nstorage:\n  filesystem:\n    rootdirectory: " +
		filepath.Join(folder, "data") + "\n" + more + "\n"
	Expect(os.WriteFile(config, []byte(text), 0o600)).To(Succeed())
	return cocoon.StartServer(osexec.Command(cocoon.Tool("docker-registry"), "serve", config))
}

// push pushes a component with credentials that each of the registries accepts, and
// returns the digest of its manifest.
func push(reference, path string) string {
	GinkgoHelper()
	component, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	tag, err := name.ParseReference(reference)
	Expect(err).NotTo(HaveOccurred())
	artifact, err := mutate.AppendLayers(
		mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), wasmConfig),
		static.NewLayer(component, wasmLayer),
	)
	Expect(err).NotTo(HaveOccurred())
	credentials := authn.FromConfig(authn.AuthConfig{Username: user, Password: password})
	Expect(remote.Write(tag, artifact, remote.WithAuth(credentials))).To(Succeed())
	digest, err := artifact.Digest()
	Expect(err).NotTo(HaveOccurred())
	return digest.String()
}
