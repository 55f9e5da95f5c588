package cluster

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"
)

const (
	loadClients = 8
	// loadPause leaves processor time for pods that start.
	loadPause   = 2 * time.Millisecond
	loadNumber  = 3000
	failuresMax = 20
)

// A load consists of clients that send requests in a loop. Half of them keep their connection.
type load struct {
	stop    context.CancelFunc
	clients sync.WaitGroup
	mutex   sync.Mutex
	// answered counts complete and correct answers.
	answered int
	failures []string
}

func startLoad(url string) *load {
	want := new(big.Int).MulRange(1, loadNumber).String()
	return startLoadOf(func(client *http.Client) error {
		return ask(client, fmt.Sprintf("%s/factorial/%d", url, loadNumber), want)
	})
}

// startLoadOf starts a load of other requests.
func startLoadOf(send func(*http.Client) error) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel}
	for i := range loadClients {
		l.clients.Add(1)
		go func() {
			defer l.clients.Done()
			transport := &http.Transport{DisableKeepAlives: i%2 == 0}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: waitMax}
			for ; ctx.Err() == nil; time.Sleep(loadPause) {
				began := time.Now()
				l.count(began, send(client))
			}
		}()
	}
	return l
}

func ask(client *http.Client, url, want string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d: %.200s", answer.StatusCode, body)
	case string(body) != want:
		return fmt.Errorf("status 200 and %d bytes instead of %d", len(body), len(want))
	}
	return nil
}

func (l *load) count(began time.Time, err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	switch {
	case err == nil:
		l.answered++
	case len(l.failures) < failuresMax:
		l.failures = append(l.failures, fmt.Sprintf("%s after %s: %v", began.Format(time.TimeOnly), time.Since(began), err))
	}
}

// end ends the load and reports its failures.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.clients.Wait()
	t.Logf("%d requests answered", l.answered)
	if l.answered == 0 {
		t.Error("expected answers, got none")
	}
	for _, failure := range l.failures {
		t.Errorf("lost a request: %s", failure)
	}
}

// statuses counts answers by their status, and failures by their message.
type statuses struct {
	mutex sync.Mutex
	by    map[string]int
}

func (s *statuses) add(status string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.by == nil {
		s.by = map[string]int{}
	}
	s.by[status]++
}

func (s *statuses) counts() map[string]int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return maps.Clone(s.by)
}
