//! Conversions of results to the contract's types, which only the world `program` has.

use super::bindings::exports::cocoon::factorial::factorial as wit;
use crate::estimate::{Cost, Info};
use crate::mul::Grade;
use crate::request::Count;
use crate::verify::Verdict;

impl From<Count> for wit::Count {
    fn from(count: Count) -> Self {
        match count {
            Count::Exact(count) => Self::Exact(count),
            Count::AtMost(count) => Self::AtMost(count),
            Count::Beyond => Self::Beyond,
        }
    }
}

impl From<Cost> for wit::Estimate {
    fn from(cost: Cost) -> Self {
        Self {
            digits: cost.digits.into(),
            output_bytes: cost.output_bytes.into(),
            peak_bytes: cost.peak_bytes,
        }
    }
}

impl From<Info> for wit::Facts {
    fn from(info: Info) -> Self {
        Self {
            digits: info.digits.into(),
            trailing_zeros: info.trailing_zeros,
            leading_digits: info.leading_digits,
            peak_bytes: info.peak_bytes,
        }
    }
}

impl From<Grade> for wit::Grade {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Proved => Self::Proved,
            Grade::Verified(verification) => Self::Verified(wit::Verification {
                products: verification.products,
                repeated: verification.repeated,
                miss_exponent: verification.miss_exponent,
            }),
        }
    }
}

impl From<Verdict> for wit::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Right(miss_exponent) => Self::Right(miss_exponent),
            Verdict::Wrong(text) => Self::Wrong(text),
        }
    }
}
