//go:build generated

// Command client calls a service by a client that oapi-codegen generates from the service's
// own description, as the file generated.go of this package. It prints the answers, a line
// each.
//
//	client URL
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	// generated.go needs it.
	_ "github.com/oapi-codegen/runtime"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatalf("expected one argument, the service's URL, got %d", len(os.Args)-1)
	}
	client, err := NewClientWithResponses(os.Args[1], WithRequestEditorFn(withToken))
	must(err)
	ctx := context.Background()

	text, err := client.FactorialWithResponse(ctx, 20, nil)
	must(err)
	fmt.Printf("text %d %s\n", text.StatusCode(), text.Body)

	var kind Kind
	must(kind.FromKind1("multi:3"))
	var format Format
	must(format.FromFormat1("scientific:3"))
	proved := true
	number, err := client.FactorialWithResponse(ctx, 30,
		&FactorialParams{Kind: &kind, Format: &format, Proved: &proved}, accept("application/json"))
	must(err)
	printNumber("number", number.JSON200)

	var double Kind
	must(double.FromKind0("double"))
	facts, err := client.InfoWithResponse(ctx, 100, &InfoParams{Kind: &double})
	must(err)
	fmt.Printf("facts %d %d\n", facts.JSON200.N, *facts.JSON200.Digits)

	kinds, err := client.KindsWithResponse(ctx, 5)
	must(err)
	for _, one := range *kinds.JSON200 {
		name, err := one.Kind.AsKind1()
		must(err)
		fmt.Printf("kind %s %s\n", name, *one.Value)
	}

	listing, err := client.FactorialsWithResponse(ctx, 3, accept("application/x-ndjson"))
	must(err)
	for line := range strings.Lines(string(listing.Body)) {
		var union ListLine
		must(json.Unmarshal([]byte(line), &union))
		if strings.Contains(line, `"done"`) {
			done, err := union.AsListDone()
			must(err)
			fmt.Printf("done %t %d\n", done.Done, done.Count)
			continue
		}
		number, err := union.AsNumber()
		must(err)
		printNumber("listed", &number)
	}

	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	must(lines.Encode(BatchRequest{N: 6}))
	must(lines.Encode(BatchRequest{N: 7, Timeout: new("never")}))
	batch, err := client.BatchWithBodyWithResponse(ctx, "application/x-ndjson", &body)
	must(err)
	for line := range strings.Lines(string(batch.Body)) {
		var union BatchLine
		must(json.Unmarshal([]byte(line), &union))
		if strings.Contains(line, `"problem"`) {
			refused, err := union.AsLineProblem()
			must(err)
			fmt.Printf("refused %d\n", refused.Problem.Status)
			continue
		}
		number, err := union.AsNumber()
		must(err)
		printNumber("batch", &number)
	}

	var unknown Kind
	must(unknown.FromKind1("treble"))
	refused, err := client.FactorialWithResponse(ctx, 5, &FactorialParams{Kind: &unknown})
	must(err)
	problem := refused.ApplicationproblemJSON400
	fmt.Printf("problem %d %s\n", problem.Status, problem.Type)
	large, err := client.FactorialsWithResponse(ctx, 1<<63)
	must(err)
	limit := large.ApplicationproblemJSON422
	fmt.Printf("limit %d %s\n", limit.Status, *limit.Limit)

	ready, err := client.ReadyWithResponse(ctx)
	must(err)
	fmt.Printf("ready %d\n", ready.StatusCode())
}

func printNumber(what string, number *Number) {
	fmt.Printf("%s %d %s %d %s\n", what, number.N, number.Value, number.Digits, number.Grade)
}

func accept(media string) RequestEditorFn {
	return func(_ context.Context, request *http.Request) error {
		request.Header.Set("Accept", media)
		return nil
	}
}

func withToken(_ context.Context, request *http.Request) error {
	if token := os.Getenv("COCOON_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
