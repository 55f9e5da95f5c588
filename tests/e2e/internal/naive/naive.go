// Package naive computes factorials by their definitions, one product after the other. It
// shares no method with the product.
package naive

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Kinds are the kinds that the product lists.
var Kinds = []string{
	"factorial", "double", "multi:3", "subfactorial",
	"primorial", "superfactorial", "hyperfactorial", "alternating",
}

// Number returns a kind of factorial of n. It panics for a kind without a definition here.
func Number(kind string, n int64) *big.Int {
	switch kind {
	case "factorial":
		return stepwise(n, 1)
	case "double":
		return stepwise(n, 2)
	case "subfactorial":
		return subfactorial(n)
	case "primorial":
		return product(n, func(i int64) *big.Int {
			if big.NewInt(i).ProbablyPrime(0) {
				return big.NewInt(i)
			}
			return big.NewInt(1)
		})
	case "superfactorial":
		return product(n, func(i int64) *big.Int { return stepwise(i, 1) })
	case "hyperfactorial":
		return product(n, func(i int64) *big.Int {
			return new(big.Int).Exp(big.NewInt(i), big.NewInt(i), nil)
		})
	case "alternating":
		return alternating(n)
	}
	if step, multi := strings.CutPrefix(kind, "multi:"); multi {
		if step, err := strconv.ParseInt(step, 10, 64); err == nil && step > 0 {
			return stepwise(n, step)
		}
	}
	panic(fmt.Sprintf("expected a kind with a definition, got %s; add it to this package", kind))
}

// Scientific returns a number with the given count of significant digits, rounded to
// nearest, ties to even.
func Scientific(number *big.Int, digits int) string {
	exact := new(big.Float).SetPrec(uint(max(number.BitLen(), 1))).SetInt(number)
	mantissa, exponent, _ := strings.Cut(exact.Text('e', digits-1), "e+")
	exponent = strings.TrimLeft(exponent, "0")
	if exponent == "" {
		exponent = "0"
	}
	return mantissa + "e+" + exponent
}

// product returns factor(1) · factor(2) · … · factor(n).
func product(n int64, factor func(int64) *big.Int) *big.Int {
	all := big.NewInt(1)
	for i := int64(1); i <= n; i++ {
		all.Mul(all, factor(i))
	}
	return all
}

// stepwise returns n · (n - step) · (n - 2 step) · …, as long as factors are positive.
func stepwise(n, step int64) *big.Int {
	if step == 1 {
		// Splits into halves; otherwise long numbers take quadratic time.
		return new(big.Int).MulRange(1, n)
	}
	all := big.NewInt(1)
	for ; n > 0; n -= step {
		all.Mul(all, big.NewInt(n))
	}
	return all
}

// subfactorial returns !n by !i = i · !(i - 1) + (-1)^i.
func subfactorial(n int64) *big.Int {
	all := big.NewInt(1)
	for i := int64(1); i <= n; i++ {
		all.Mul(all, big.NewInt(i))
		all.Add(all, big.NewInt(1-2*(i%2)))
	}
	return all
}

// alternating returns n! - (n - 1)! + (n - 2)! - …, down to 1!, and 0 for 0.
func alternating(n int64) *big.Int {
	all := new(big.Int)
	for i := int64(1); i <= n; i++ {
		all.Sub(stepwise(i, 1), all)
	}
	return all
}
