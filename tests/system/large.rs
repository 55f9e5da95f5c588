//! Large numbers, where an overflow in 32-bit arithmetic would show: checked by residues, the
//! count of digits and the count of trailing zeros, all computed independently here.

use cocoon::channel::channel;
use cocoon::worlds::factorial::{Factorial, Kind, ONE_OF_EACH_KIND, Request};

use crate::contract::{assert_count, assert_facts};
use crate::harness::{FEW, drain, honest, wait_for};

/// Primes above every n in this file, so that no product vanishes.
const PRIMES: [u64; 4] = [998_244_353, 2_147_483_647, 4_294_967_291, (1 << 61) - 1];

/// Numbers near the square roots of 2^31 and 2^16, among others.
const LARGE: [u64; 12] = [
    20_000, 46_337, 46_339, 46_340, 46_341, 46_349, 65_521, 65_535, 65_536, 65_537, 77_777, 100_000,
];

fn times(a: u64, b: u64, p: u64) -> u64 {
    u64::try_from(u128::from(a) * u128::from(b) % u128::from(p)).expect("less than p")
}

fn power(base: u64, exponent: u64, p: u64) -> u64 {
    (0..64).rev().fold(1, |power, bit| {
        let square = times(power, power, p);
        if exponent >> bit & 1 == 1 {
            times(square, base, p)
        } else {
            square
        }
    })
}

/// Computes the kind of n modulo p by its definition.
fn residue(kind: Kind, n: u64, p: u64) -> u64 {
    let product = |factors: &mut dyn Iterator<Item = u64>| {
        factors.fold(1, |product, factor| times(product, factor, p))
    };
    match kind {
        Kind::Factorial => product(&mut (1..=n)),
        Kind::Multifactorial(step) => product(&mut (1..=n).rev().step_by(step as usize)),
        Kind::Primorial => {
            let most = usize::try_from(n).expect("a number for a sieve");
            let mut composite = vec![false; most + 1];
            for d in (2..=most).take_while(|d| d * d <= most) {
                (d * d..=most)
                    .step_by(d)
                    .for_each(|multiple| composite[multiple] = true);
            }
            let primes = (2..=n)
                .zip(&composite[2..])
                .filter(|(_, composite)| !**composite);
            product(&mut primes.map(|(prime, _)| prime))
        }
        // !n = n · !(n − 1) + (−1)^n
        Kind::Subfactorial => (1..=n).fold(1, |last, i| {
            (times(last, i, p) + if i % 2 == 0 { 1 } else { p - 1 }) % p
        }),
        Kind::Superfactorial => {
            let factorials = (1..=n).scan(1, |last, i| {
                *last = times(*last, i, p);
                Some(*last)
            });
            product(&mut factorials.into_iter())
        }
        Kind::Hyperfactorial => product(&mut (1..=n).map(|i| power(i, i, p))),
        Kind::Alternating => {
            let (_, sum) = (1..=n).fold((1, 0), |(last, sum), i| {
                let this = times(last, i, p);
                (this, (this + p - sum) % p)
            });
            sum
        }
    }
}

/// Legendre's formula: the exponent of 5 in n!.
fn zeros_of_factorial(n: u64) -> u64 {
    std::iter::successors(Some(n / 5), |q| Some(q / 5))
        .take_while(|&q| q > 0)
        .sum()
}

async fn check(factorial: &Factorial, kind: Kind, n: u64) {
    let admitted = factorial
        .admit(Request::decimal(kind, n))
        .await
        .expect("a sandbox");
    let cost = *admitted.cost();
    let (sender, receiver) = channel();
    let (outcome, (digits, seen)) = wait_for("a large number", async {
        tokio::join!(admitted.send_to(sender), drain(receiver))
    })
    .await;
    assert_eq!(
        (outcome.map(|_| ()), seen),
        (Ok(()), Ok(())),
        "{kind} of {n}"
    );
    assert!(
        digits.iter().all(u8::is_ascii_digit) && digits[0] != b'0',
        "{kind} of {n}"
    );
    for p in PRIMES {
        let found = digits.iter().fold(0_u128, |rest, digit| {
            (rest * 10 + u128::from(digit - b'0')) % u128::from(p)
        });
        assert_eq!(
            found,
            u128::from(residue(kind, n, p)),
            "{kind} of {n} modulo {p}"
        );
    }
    assert_count(cost.digits, digits.len() as u64, kind, n);
    let value = String::from_utf8(digits).expect("digits");
    let facts = factorial.info(kind, n).await.expect("facts");
    assert_facts(&facts, &value, kind, n);
    if matches!(kind, Kind::Factorial) {
        let zeros = value.len() - value.trim_end_matches('0').len();
        assert_eq!(zeros as u64, zeros_of_factorial(n), "{n}!");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn factorials_near_32_bit_boundaries_are_right() {
    let factorial = honest(&FEW).await;
    for n in LARGE {
        check(&factorial, Kind::Factorial, n).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_kinds_near_32_bit_boundaries_are_right() {
    let factorial = honest(&FEW).await;
    for kind in ONE_OF_EACH_KIND
        .into_iter()
        .chain([Kind::Multifactorial(1000)])
    {
        let numbers = match kind {
            Kind::Factorial => continue,
            // These grow with the square of n.
            Kind::Superfactorial | Kind::Hyperfactorial => [257, 400],
            _ => [46_341, 65_537],
        };
        for n in numbers {
            check(&factorial, kind, n).await;
        }
    }
    check(&factorial, Kind::Primorial, 1_000_003).await;
}
