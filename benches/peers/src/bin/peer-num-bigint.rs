//! n! by num-bigint, which lacks a factorial: a balanced product.

use num_bigint::BigUint;

fn main() -> std::io::Result<()> {
    cocoon_peers::run(
        |n| product(1, n),
        BigUint::bits,
        |product| product.to_str_radix(10),
    )
}

/// Computes first · (first + 1) · … · last. The recursion depth is the logarithm of the count.
fn product(first: u64, last: u64) -> BigUint {
    /// Factors that are multiplied one by one.
    const LEAF: u64 = 16;
    if last < first + LEAF {
        return (first..=last).fold(BigUint::from(1u32), |product, factor| product * factor);
    }
    let middle = first + (last - first) / 2;
    product(first, middle) * product(middle + 1, last)
}
