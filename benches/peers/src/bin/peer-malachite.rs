//! n! by malachite.

use malachite::Natural;
use malachite::base::num::arithmetic::traits::Factorial as _;
use malachite::base::num::logic::traits::SignificantBits as _;

fn main() -> std::io::Result<()> {
    cocoon_peers::run(
        Natural::factorial,
        |product| product.significant_bits(),
        ToString::to_string,
    )
}
