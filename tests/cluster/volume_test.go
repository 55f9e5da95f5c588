package cluster

import (
	"fmt"
	"os"
)

// volume creates a PersistentVolume in a folder of the node for a claim of this namespace, and
// returns the folder.
func (s space) volume(claim, mode string) string {
	s.Helper()
	// Pods outlive the folders that the test framework removes.
	folder, err := os.MkdirTemp("", "volume")
	if err != nil {
		s.Fatal(err)
	}
	name := s.name + "-" + claim
	s.kubectlWith(fmt.Sprintf(`{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": %q}, "spec": {
		"capacity": {"storage": "8Gi"}, "accessModes": [%q], "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "",
		"claimRef": {"namespace": %q, "name": %q}, "local": {"path": %q}, "nodeAffinity": {"required": {"nodeSelectorTerms": [
			{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1"]}]}]}}}}`,
		name, mode, s.name, claim, folder), "create", "--filename=-")
	s.Cleanup(func() {
		s.try("", "delete", "persistentvolume", name, "--wait=false")
		os.RemoveAll(folder)
	})
	return folder
}
