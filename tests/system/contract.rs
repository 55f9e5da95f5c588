//! The compiled component against the definitions: small numbers of every kind, both formats,
//! and the requests that it refuses.

use cocoon::RunError;
use cocoon::limits::REPLY_BYTES;
use cocoon::worlds::factorial::{Count, Factorial, Format, Kind, ONE_OF_EACH_KIND, Request};
use num_bigint::BigUint;

use crate::harness::{FEW, factorial_of, honest, run_request};

/// Computes the number by its definition.
pub(crate) fn by_definition(kind: Kind, n: u64) -> BigUint {
    let one = BigUint::from(1_u8);
    match kind {
        Kind::Factorial => (1..=n).map(BigUint::from).product(),
        Kind::Multifactorial(step) => (0..)
            .map_while(|i| n.checked_sub(i * u64::from(step)))
            .filter(|&factor| factor > 0)
            .map(BigUint::from)
            .product(),
        // The recurrence !n = (n − 1) (!(n − 1) + !(n − 2)).
        Kind::Subfactorial => {
            let (mut last, mut this) = (one, BigUint::ZERO);
            for i in 1..n {
                let next = (&last + &this) * i;
                last = std::mem::replace(&mut this, next);
            }
            if n == 0 { last } else { this }
        }
        Kind::Primorial => (2..=n)
            .filter(|n| (2..*n).all(|d| n % d != 0))
            .map(BigUint::from)
            .product(),
        Kind::Superfactorial => (1..=n).map(|i| by_definition(Kind::Factorial, i)).product(),
        Kind::Hyperfactorial => (1..=n)
            .map(|i| BigUint::from(i).pow(u32::try_from(i).expect("a small number")))
            .product(),
        // af(n) = n! − af(n − 1).
        Kind::Alternating => (1..=n).fold(BigUint::ZERO, |sum, i| {
            by_definition(Kind::Factorial, i) - sum
        }),
    }
}

pub(crate) fn kinds() -> impl Iterator<Item = Kind> {
    let steps = [1, 4, 7, 100, u32::MAX].map(Kind::Multifactorial);
    ONE_OF_EACH_KIND.into_iter().chain(steps)
}

#[tokio::test]
async fn the_first_factorials_are_exact() {
    let factorial = honest(&FEW).await;
    let mut product = 1_u128;
    for n in 1..=34_u64 {
        product *= u128::from(n);
        assert_eq!(
            run_request(&factorial, factorial_of(n)).await,
            Ok(product.to_string()),
            "{n}!"
        );
    }
    assert_eq!(
        run_request(&factorial, factorial_of(25)).await.as_deref(),
        Ok("15511210043330985984000000")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_matches_its_definition() {
    let factorial = honest(&FEW).await;
    for kind in kinds() {
        for n in (0..=45).chain([64, 97, 100, 128]) {
            let expected = by_definition(kind, n).to_string();
            check(&factorial, kind, n, &expected).await;
        }
    }
}

/// Asserts that the answer and the facts announced before it are right.
async fn check(factorial: &Factorial, kind: Kind, n: u64, expected: &str) {
    let request = Request::decimal(kind, n);
    let admitted = factorial.admit(request).await.expect("a sandbox");
    let cost = *admitted.cost();
    assert_eq!(
        admitted.compute().await.as_deref(),
        Ok(expected),
        "{kind} of {n}"
    );
    assert_eq!(
        run_request(factorial, request).await.as_deref(),
        Ok(expected),
        "{kind} of {n}, streamed"
    );

    let digits = expected.len() as u64;
    assert_count(cost.digits, digits, kind, n);
    assert_eq!(cost.output_bytes, cost.digits, "{kind} of {n}");
    let facts = factorial.info(kind, n).await.expect("facts");
    assert_eq!(
        (facts.digits, facts.peak_bytes),
        (cost.digits, cost.peak_bytes),
        "{kind} of {n}"
    );
    assert_facts(&facts, expected, kind, n);
}

pub(crate) fn assert_count(count: Count, digits: u64, kind: Kind, n: u64) {
    match count {
        Count::Exact(count) => assert_eq!(count, digits, "{kind} of {n}"),
        Count::AtMost(most) => {
            assert!(
                most >= digits,
                "{kind} of {n} has {digits} digits, not at most {most}"
            );
            assert!(
                !matches!(kind, Kind::Factorial),
                "the digits of {n}! are known"
            );
        }
        Count::Beyond => panic!("{kind} of {n} has {digits} digits"),
    }
}

pub(crate) fn assert_facts(
    facts: &cocoon::worlds::factorial::Facts,
    value: &str,
    kind: Kind,
    n: u64,
) {
    if let Some(leading) = &facts.leading_digits {
        let most = value.len().min(20);
        assert!(
            value.starts_with(leading.as_str()) && leading.len() == most,
            "{kind} of {n}: {leading}"
        );
    }
    if let Some(zeros) = facts.trailing_zeros {
        let there = value.len() - value.trim_end_matches('0').len();
        // The count of digits of zero, and of its trailing zeros, depends on the convention.
        assert!(
            value == "0" || zeros == there as u64,
            "{kind} of {n} ends in {there} zeros, not {zeros}"
        );
    }
    if matches!(kind, Kind::Factorial) {
        assert!(
            facts.leading_digits.is_some() && facts.trailing_zeros.is_some(),
            "{n}!"
        );
    }
}

#[tokio::test]
async fn scientific_numbers_round_half_to_even() {
    let factorial = honest(&FEW).await;
    for (kind, n, digits, expected) in [
        (Kind::Factorial, 0, 1, "1e+0"),
        (Kind::Factorial, 5, 2, "1.2e+2"),
        (Kind::Factorial, 10, 3, "3.63e+6"),
        (Kind::Factorial, 20, 19, "2.432902008176640000e+18"),
        (Kind::Factorial, 100, 20, "9.3326215443944152682e+157"),
        (Kind::Factorial, 1000, 5, "4.0239e+2567"),
        // 945 and 3465: a tie goes to the even neighbour.
        (Kind::Multifactorial(2), 9, 2, "9.4e+2"),
        (Kind::Multifactorial(2), 15, 6, "2.02702e+6"),
        // A 9 followed by nines carries through all digits.
        (Kind::Multifactorial(u32::MAX), 995, 2, "1.0e+3"),
        (Kind::Multifactorial(u32::MAX), 999_999, 5, "1.0000e+6"),
    ] {
        let request = Request {
            kind,
            n,
            format: Format::Scientific(digits),
            proved: false,
        };
        let admitted = factorial.admit(request).await.expect("a sandbox");
        let bytes = admitted.cost().output_bytes;
        assert_eq!(
            admitted.compute().await.as_deref(),
            Ok(expected),
            "{kind} of {n}"
        );
        assert!(
            bytes.most() >= Some(expected.len() as u64),
            "{kind} of {n}: {bytes}"
        );
        if let Some(exact) = bytes.exact() {
            assert_eq!(exact, expected.len() as u64, "{kind} of {n}");
        }
    }
}

#[tokio::test]
async fn invalid_requests_are_malformed() {
    let factorial = honest(&FEW).await;
    let zero_step = Request::decimal(Kind::Multifactorial(0), 5);
    let no_digits = Request {
        format: Format::Scientific(0),
        ..factorial_of(5)
    };
    let many_digits = Request {
        format: Format::Scientific(1001),
        ..factorial_of(5)
    };
    for request in [zero_step, no_digits, many_digits] {
        let refused = factorial.admit(request).await.err().expect("senseless");
        assert!(
            matches!(refused, RunError::Malformed(_)),
            "{request:?}: {refused:?}"
        );
        assert!(!refused.may_be_retried());
    }
    let facts = factorial.info(Kind::Multifactorial(0), 5).await;
    assert!(matches!(facts, Err(RunError::Malformed(_))), "{facts:?}");
}

#[tokio::test]
async fn a_reply_has_at_most_64_kib() {
    let factorial = honest(&FEW).await;
    // 18,000! has 68,000 digits, 17,000! has 63,815.
    let short = factorial
        .admit(factorial_of(17_000))
        .await
        .expect("a sandbox")
        .compute()
        .await;
    assert!(short.is_ok_and(|value| value.len() as u64 <= REPLY_BYTES));
    let long = factorial
        .admit(factorial_of(18_000))
        .await
        .expect("a sandbox")
        .compute()
        .await;
    let error = long.expect_err("too long for a reply");
    assert!(matches!(error, RunError::OutOfReach(_)), "{error:?}");
    assert!(
        error.to_string().contains("digits"),
        "it says what to call instead: {error}"
    );
}

#[tokio::test]
async fn the_largest_numbers_are_refused() {
    let factorial = honest(&FEW).await;
    for n in [
        u64::from(u32::MAX),
        1 << 32,
        (1 << 32) + 1,
        1 << 53,
        u64::MAX - 1,
        u64::MAX,
    ] {
        for kind in kinds() {
            let facts = factorial
                .info(kind, n)
                .await
                .unwrap_or_else(|error| panic!("{kind} of {n}: {error}"));
            // A multifactorial with few factors is small even for a large n.
            if facts.peak_bytes.is_some() {
                assert!(matches!(kind, Kind::Multifactorial(_)), "{kind} of {n}");
                continue;
            }
            let scientific = Request {
                format: Format::Scientific(10),
                ..Request::decimal(kind, n)
            };
            for request in [Request::decimal(kind, n), scientific] {
                let refused = match factorial.admit(request).await {
                    Ok(admitted) => {
                        // A series gives the leading digits without the number itself.
                        assert_eq!(request, scientific, "{kind} of {n}");
                        assert!(kind != Kind::Primorial, "{kind} of {n}");
                        let answer = admitted.compute().await;
                        let answer =
                            answer.unwrap_or_else(|error| panic!("{kind} of {n}: {error}"));
                        assert!(answer.contains("e+"), "{kind} of {n}: {answer}");
                        continue;
                    }
                    Err(refused) => refused,
                };
                assert!(
                    matches!(refused, RunError::OutOfReach(_) | RunError::TooLarge { .. }),
                    "{kind} of {n}: {refused:?}"
                );
            }
        }
    }
}
