// Words counts the lines, words and bytes of standard input, and prints the ten most
// frequent words. `words factorials` prints 0! to 10!.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/big"
	"os"
	"sort"
)

// The number of words in the list.
const frequent = 10

// The number of bytes for each read.
const blockBytes = 64 << 10

type counter struct {
	lines, words, bytes uint64
	each                map[string]uint64
	// The last word so far, which the next block may continue.
	word []byte
}

func (c *counter) add(block []byte) {
	c.lines += uint64(bytes.Count(block, []byte{'\n'}))
	c.bytes += uint64(len(block))
	for _, letter := range block {
		if 'A' <= letter && letter <= 'Z' {
			letter += 'a' - 'A'
		}
		// All bytes of a character beyond ASCII are letters.
		if 'a' <= letter && letter <= 'z' || letter >= 0x80 {
			c.word = append(c.word, letter)
		} else {
			c.endWord()
		}
	}
}

func (c *counter) endWord() {
	if len(c.word) == 0 {
		return
	}
	c.words++
	c.each[string(c.word)]++
	c.word = c.word[:0]
}

func (c *counter) print(out io.Writer) {
	fmt.Fprintf(out, "lines %d\nwords %d\nbytes %d\n", c.lines, c.words, c.bytes)
	words := make([]string, 0, len(c.each))
	for word := range c.each {
		words = append(words, word)
	}
	sort.Slice(words, func(i, j int) bool {
		a, b := words[i], words[j]
		if c.each[a] != c.each[b] {
			return c.each[a] > c.each[b]
		}
		return a < b
	})
	for _, word := range words[:min(frequent, len(words))] {
		fmt.Fprintf(out, "%d %s\n", c.each[word], word)
	}
}

func countWords(out io.Writer) error {
	counts := counter{each: map[string]uint64{}}
	block := make([]byte, blockBytes)
	for {
		length, err := os.Stdin.Read(block)
		counts.add(block[:length])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	counts.endWord()
	counts.print(out)
	return nil
}

func printFactorials(out io.Writer) {
	factorial := big.NewInt(1)
	for n := int64(0); n <= 10; n++ {
		factorial.Mul(factorial, big.NewInt(max(n, 1)))
		fmt.Fprintf(out, "%d! = %d\n", n, factorial)
	}
}

func run(out *bufio.Writer) error {
	if len(os.Args) > 1 {
		printFactorials(out)
	} else if err := countWords(out); err != nil {
		return err
	}
	return out.Flush()
}

func main() {
	if len(os.Args) > 2 || len(os.Args) == 2 && os.Args[1] != "factorials" {
		fmt.Fprintln(os.Stderr, "usage: words [factorials]")
		os.Exit(2)
	}
	if err := run(bufio.NewWriter(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
}
