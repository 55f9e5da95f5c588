//! `--shard I/N`: one share of a batch, so that several runs divide it.

use std::env;

use crate::cli::values::positive;

/// Kubernetes sets it in each pod of an Indexed Job, from 0.
const COMPLETION_INDEX: &str = "JOB_COMPLETION_INDEX";
/// Stands for the index of the pod.
const AUTO: &str = "auto";

/// Every `count`-th instance, from `index` on, which is from 1 to `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::commands) struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// The share that is the whole batch.
    pub(in crate::cli::commands) const ALL: Self = Self { index: 1, count: 1 };

    /// The number of its instances in a batch of `all`.
    pub(in crate::cli::commands) fn size(self, all: u64) -> u64 {
        match all.checked_sub(self.index) {
            Some(later) => later / self.count + 1,
            None => 0,
        }
    }

    /// Its instance after the first `made` ones, or `None` after the last number.
    pub(in crate::cli::commands) fn instance(self, made: u64) -> Option<u64> {
        made.checked_mul(self.count)?.checked_add(self.index)
    }

    /// Whether `instance` is one of its own.
    pub(in crate::cli::commands) fn has(self, instance: u64) -> bool {
        instance % self.count == self.index % self.count
    }
}

/// Parses `I/N` or `auto/N`.
pub(in crate::cli::commands) fn shard(text: &str) -> Result<Shard, String> {
    parse(text, env::var(COMPLETION_INDEX).ok().as_deref())
}

fn parse(text: &str, completion_index: Option<&str>) -> Result<Shard, String> {
    let (index, count) = text
        .split_once('/')
        .ok_or("expected I/N or auto/N, such as 1/4")?;
    let count = positive::<u64>(count)?;
    let index = if index == AUTO {
        let index = completion_index.ok_or_else(|| {
            format!("expected {COMPLETION_INDEX} in the environment, as in a pod of an Indexed Job")
        })?;
        let index = index.parse::<u64>().ok().and_then(|it| it.checked_add(1));
        index.ok_or_else(|| format!("expected an index from 0 in {COMPLETION_INDEX}"))?
    } else {
        positive::<u64>(index)?
    };
    if index <= count {
        return Ok(Shard { index, count });
    }
    if text.starts_with(AUTO) {
        return Err(format!(
            "expected {COMPLETION_INDEX} below {count}, got {}; N is the number of completions of the Job",
            index - 1
        ));
    }
    Err(format!("expected an I from 1 to {count}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_divide_a_batch() {
        for count in 1..6 {
            for all in [0, 1, 4, 5, 6, 17] {
                let mut instances = Vec::new();
                for index in 1..=count {
                    let shard = Shard { index, count };
                    for made in 0..shard.size(all) {
                        let instance = shard.instance(made).expect("a small number");
                        assert!(shard.has(instance), "{instance} in {shard:?}");
                        instances.push(instance);
                    }
                    let own = (1..=all).filter(|&instance| shard.has(instance));
                    assert_eq!(own.count() as u64, shard.size(all), "{shard:?} of {all}");
                }
                instances.sort_unstable();
                assert_eq!(instances, (1..=all).collect::<Vec<_>>());
            }
        }
        let last = Shard {
            index: 2,
            count: u64::MAX,
        };
        assert_eq!((last.size(u64::MAX), last.instance(1)), (1, None));
    }

    #[test]
    fn shares_are_numbered_from_1_and_pods_from_0() {
        let shard = |index, count| Ok(Shard { index, count });
        assert_eq!(parse("1/4", None), shard(1, 4));
        assert_eq!(parse("4/4", Some("0")), shard(4, 4));
        assert_eq!(parse("auto/4", Some("3")), shard(4, 4));
        assert_eq!(parse("1/1", None), Ok(Shard::ALL));
        for (text, index, expected) in [
            ("4", None, "I/N"),
            ("0/4", None, "from 1"),
            ("5/4", None, "from 1 to 4"),
            ("1/0", None, "from 1"),
            ("x/4", None, "from 1"),
            ("auto/4", None, COMPLETION_INDEX),
            ("auto/4", Some("4"), "below 4, got 4"),
            ("auto/4", Some("-1"), "from 0"),
        ] {
            let error = parse(text, index).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
