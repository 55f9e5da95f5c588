package cluster

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const token = "a-token-of-the-tests"

// prepare creates the objects that the user of the manifests has to create.
func (s space) prepare() {
	s.Helper()
	s.kubectl("create", "secret", "generic", "cocoon-token", "--from-literal=token="+token)
	s.kubectl("apply", "--filename=kinds.yaml")
	s.kubectl("wait", "--for=condition=Established", "--filename=kinds.yaml", "--timeout="+waitMax.String())
}

// For each folder that can be applied, objects pass PodSecurity and do not change when they
// are applied again, and pods start if their image is available.
func TestManifestsApplyTwice(t *testing.T) {
	folders, err := filepath.Glob(deploy("overlays/*"))
	if err != nil {
		t.Fatal(err)
	}
	folders = append(folders, deploy("base"), deploy("job"), deploy("indexed-job"))
	// Their pods need a registry, a Redis or a volume; they have tests of their own.
	dependent := map[string]bool{"handler": true, "queue": true, "queue-trial": true, "indexed-job": true}
	for _, folder := range folders {
		name := filepath.Base(folder)
		t.Run(name, func(t *testing.T) {
			s := newSpace(t, "apply-"+name)
			s.prepare()
			s.apply(folder)
			// Controllers fill in fields of applied objects.
			rendered := s.kubectl("kustomize", folder)
			local := strings.Contains(rendered, "image: "+image) && !dependent[name]
			if strings.Contains(rendered, "kind: Deployment") && local {
				s.ready()
			}
			if strings.Contains(rendered, "kind: Job") && local {
				s.completed("cocoon")
			}
			for _, line := range s.apply(folder) {
				// kubectl sends the selector of a PodDisruptionBudget and the claims of a StatefulSet
				// each time, changed or not.
				sent := strings.HasPrefix(line, "poddisruptionbudget.policy/") || strings.HasPrefix(line, "statefulset.apps/")
				if !sent && !strings.HasSuffix(line, " unchanged") {
					t.Errorf("expected every object unchanged, got %q", line)
				}
			}
			s.kubectl("diff", "--kustomize", folder)
		})
	}
}

func TestTheJobPrintsFactorials(t *testing.T) {
	s := newSpace(t, "job")
	s.apply(deploy("job"))
	s.completed("cocoon")
	if log := s.kubectl("logs", "job/cocoon"); !strings.Contains(log, "3628800") {
		t.Errorf("expected 10! in the log, got %q", log)
	}
}

func TestATokenIsAskedFor(t *testing.T) {
	s := newSpace(t, "token")
	s.prepare()
	s.apply(deploy("overlays/token"))
	s.ready()
	url := s.url() + "/factorial/5"
	for header, want := range map[string]int{"": http.StatusUnauthorized, "Bearer " + token: http.StatusOK} {
		message, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		message.Header.Set("Authorization", header)
		answer, err := http.DefaultClient.Do(message)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("expected status %d, got %d", want, answer.StatusCode)
		}
	}
}

func TestAChangedSettingRollsOut(t *testing.T) {
	s := newSpace(t, "setting")
	s.apply(deploy("base"))
	s.ready()
	before := s.pods(servicePods)
	s.apply(s.overlay("base", "configMapGenerator:\n- name: cocoon\n  behavior: merge\n  literals: [COCOON_IDLE=20s]\n"))
	s.ready()
	for _, pod := range s.pods(servicePods) {
		for _, old := range before {
			if pod.Metadata.UID == old.Metadata.UID {
				t.Errorf("expected a new pod in place of %s", pod.Metadata.Name)
			}
		}
	}
}

// No process of a pod has root's user or group, not even as one of several groups.
func TestPodsRunWithoutRoot(t *testing.T) {
	s := newSpace(t, "user")
	s.apply(deploy("base"))
	s.ready()
	for _, pod := range s.pods(servicePods) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process(pod, "cocoon")))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			name, ids, _ := strings.Cut(line, ":")
			identity := name == "Uid" || name == "Gid" || name == "Groups"
			if identity && regexp.MustCompile(`(^|\s)0(\s|$)`).MatchString(ids) {
				t.Errorf("expected no root, got %q", line)
			}
		}
	}
}
