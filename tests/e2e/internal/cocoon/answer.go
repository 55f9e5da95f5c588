package cocoon

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// lineBytesMax bounds a line of a stream.
const lineBytesMax = 1 << 20

// Answer is a whole answer of a service.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Problem is an error in the format of RFC 9457, with the limit that caused it.
type Problem struct {
	Type, Title, Detail string
	Status              int
	Limit               string
	Value, Needed       uint64
}

// Number is an answer, a line of a stream or the data of an event.
type Number struct {
	N                          uint64
	Kind, Format, Value, Grade string
	Digits                     uint64
	State                      string
	Done                       bool
	Count                      uint64
	Problem                    *Problem
}

// Problem returns the problem in the body, or an empty one if there is none.
func (a Answer) Problem() (problem Problem) {
	_ = json.Unmarshal([]byte(a.Body), &problem)
	return problem
}

// Number returns the number in the body.
func (a Answer) Number() Number {
	GinkgoHelper()
	return Decode[Number](a.Body)
}

// Numbers returns the lines of the body.
func (a Answer) Numbers() []Number {
	GinkgoHelper()
	return Records[Number](a.Body)
}

// Decode returns the value of a JSON text.
func Decode[T any](text string) (value T) {
	GinkgoHelper()
	Expect(json.Unmarshal([]byte(text), &value)).To(Succeed(), text)
	return value
}

// Records returns the values of a text of JSON lines.
func Records[T any](text string) (values []T) {
	GinkgoHelper()
	for line := range strings.Lines(text) {
		values = append(values, Decode[T](line))
	}
	return values
}

// Event is one server-sent event.
type Event struct {
	Name string
	Data Number
}

// Events returns the events of the body.
func (a Answer) Events() (events []Event) {
	GinkgoHelper()
	for block := range strings.SplitSeq(strings.TrimSuffix(a.Body, "\n\n"), "\n\n") {
		var event Event
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "event":
				event.Name = value
			case "data":
				event.Data = Decode[Number](value)
			}
		}
		// A comment keeps a connection alive and is not an event.
		if event.Name != "" {
			events = append(events, event)
		}
	}
	return events
}

// Open sends a request and returns the answer after reading its head.
func (s *Service) Open(ctx context.Context, client *http.Client, method, path string, body io.Reader, header ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	if token := os.Getenv(tokenVariable); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for pair := header; len(pair) > 1; pair = pair[2:] {
		request.Header.Set(pair[0], pair[1])
	}
	return client.Do(request)
}

// Try returns the answer to a request, or an error if it is incomplete. It asserts nothing,
// so other goroutines can call it.
func (s *Service) Try(ctx context.Context, client *http.Client, method, path, body string, header ...string) (Answer, error) {
	response, err := s.Open(ctx, client, method, path, strings.NewReader(body), header...)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	return Answer{Status: response.StatusCode, Header: response.Header, Body: string(all)}, err
}

// Lines returns a scanner for the lines of a stream.
func Lines(stream io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, lineBytesMax)
	return lines
}
