package e2e_test

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
	"cocoon/e2e/internal/naive"
)

// arguments are the n for which each kind is compared, including all small ones.
var arguments = []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 21, 34, 59, 97, 128, 200}

// json asks a service for JSON.
var json = []string{"Accept", "application/json"}

var _ = Describe("Numbers of the service", func() {
	var service *cocoon.Service
	BeforeEach(func() { service = cocoon.Running() })

	kinds := append([]string{"multi:1", "multi:5", "multi:1000"}, naive.Kinds...)
	for _, kind := range kinds {
		It("equal the definition of "+kind, func() {
			for _, n := range arguments {
				value := naive.Number(kind, n)
				path := fmt.Sprintf("/factorial/%d?kind=%s", n, kind)
				answer := service.Get(path)
				Expect(answer.Status).To(Equal(200), path)
				Expect(answer.Body).To(Equal(value.String()), path)

				number := service.Get(path, json...).Number()
				Expect(number).To(And(
					HaveField("N", uint64(n)),
					HaveField("Kind", kind),
					HaveField("Format", "decimal"),
					HaveField("Value", value.String()),
					HaveField("Digits", uint64(len(value.String()))),
					HaveField("Grade", Or(Equal("proved"), Equal("verified"))),
				), path)
			}
		})

		It("are rounded to the nearest for "+kind, func() {
			for _, n := range arguments {
				for _, digits := range []int{1, 2, 3, 20, 1000} {
					path := fmt.Sprintf("/factorial/%d?kind=%s&format=scientific:%d", n, kind, digits)
					answer := service.Get(path)
					Expect(answer.Status).To(Equal(200), path)
					Expect(answer.Body).To(Equal(naive.Scientific(naive.Number(kind, n), digits)), path)
				}
			}
		})
	}

	It("are exact where they are long", func() {
		for _, n := range []int64{20_000, 100_000} {
			value := naive.Number("factorial", n).String()
			answer := service.Get(fmt.Sprintf("/factorial/%d", n))
			// A difference of megabytes is not a useful message.
			Expect(answer.Status).To(Equal(200))
			Expect(answer.Body == value).To(BeTrue(), "%d!", n)
		}
	})

	It("come one of each kind", func() {
		type one struct{ Kind, Value string }
		for _, n := range []int64{0, 1, 10, 30} {
			answer := service.Get(fmt.Sprintf("/kinds/%d", n))
			Expect(answer.Status).To(Equal(200))
			var expected []one
			for _, kind := range naive.Kinds {
				expected = append(expected, one{kind, naive.Number(kind, n).String()})
			}
			Expect(cocoon.Decode[[]one](answer.Body)).To(ConsistOf(expected))
		}
	})

	It("are described without being computed", func() {
		type facts struct {
			N             uint64
			Kind          string
			Digits        uint64
			TrailingZeros uint64 `json:"trailing_zeros"`
			LeadingDigits string `json:"leading_digits"`
			PeakBytes     uint64 `json:"peak_bytes"`
		}
		for _, n := range []int64{30, 100, 5_000} {
			value := naive.Number("factorial", n).String()
			answer := service.Get(fmt.Sprintf("/info/%d", n))
			Expect(answer.Status).To(Equal(200))
			zeros := len(value) - len(strings.TrimRight(value, "0"))
			Expect(cocoon.Decode[facts](answer.Body)).To(And(
				HaveField("N", uint64(n)),
				HaveField("Kind", "factorial"),
				HaveField("Digits", uint64(len(value))),
				HaveField("TrailingZeros", uint64(zeros)),
				HaveField("LeadingDigits", value[:20]),
				HaveField("PeakBytes", BeNumerically(">", 0)),
			))
		}
	})
})

var _ = Describe("Numbers of the commands", func() {
	It("have a line for each kind that has a definition", func() {
		for _, n := range []int64{0, 1, 2, 17, 40} {
			ended := cocoon.Run("kinds", strconv.FormatInt(n, 10), "--json")
			Expect(ended).To(succeed())
			var kinds []string
			for _, number := range cocoon.Records[cocoon.Number](ended.Out) {
				kinds = append(kinds, number.Kind)
				Expect(number.N).To(BeEquivalentTo(n))
				Expect(number.Value).To(Equal(naive.Number(number.Kind, n).String()))
			}
			Expect(kinds).To(ConsistOf(naive.Kinds))
		}
	})

	It("are exact in one sandbox and in several", func() {
		value := naive.Number("factorial", 60_000).String()
		for _, arguments := range [][]string{
			{"--fan-out", "1"}, {"--fan-out", "2"}, {"--fan-out", "3"}, {"--proved"},
		} {
			ended := cocoon.Run(append([]string{"compute", "60000"}, arguments...)...)
			Expect(ended).To(succeed())
			Expect(ended.Out == value+"\n").To(BeTrue(), "%v", arguments)
		}
	})

	It("are written in scientific notation beyond what could be written down", func() {
		ended := cocoon.Run("compute", "1000000", "--format", "scientific:30")
		value := naive.Number("factorial", 1_000_000)
		// Computes the first digits by division: converting the whole number takes seconds.
		Expect(ended).To(And(succeed(), HaveField("Out", scientificOfLong(value, 30)+"\n")))
	})
})

// scientificOfLong is [naive.Scientific] for numbers that [big.Float] converts too slowly.
func scientificOfLong(value *big.Int, digits int) string {
	// Enough bits of log10(2) for any number of digits that a test computes.
	guess := int64(float64(value.BitLen()-1) * 0.30102999566398119521)
	kept := guess - int64(digits) - 5
	head := new(big.Int).Quo(value, new(big.Int).Exp(big.NewInt(10), big.NewInt(kept), nil))
	mantissa, exponent, _ := strings.Cut(naive.Scientific(head, digits), "e+")
	short, err := strconv.ParseInt(exponent, 10, 64)
	Expect(err).NotTo(HaveOccurred())
	return fmt.Sprintf("%se+%d", mantissa, short+kept)
}
