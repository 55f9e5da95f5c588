//! Calls of a component that no flag granted.
//!
//! Such a call fails as its interface defines it, so a program may continue without it. A person
//! should know the flag: the first denied call for each flag is reported to an observer, once for
//! all sandboxes of a component, and [`DENIALS_REPORTED`] flags at the most.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::limits::DENIALS_REPORTED;

/// A call that no flag granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedCall {
    /// The interface and function that was called, without a version.
    pub function: Cow<'static, str>,
    /// The flag that grants it. `None` if no flag does.
    pub flag: Option<Cow<'static, str>>,
}

impl fmt::Display for DeniedCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, flag } = self;
        write!(formatter, "the program called {function} without a grant; ")?;
        match flag {
            Some(flag) => write!(formatter, "use {flag} to grant it"),
            None => write!(formatter, "no flag grants it"),
        }
    }
}

type Observer = Box<dyn Fn(&DeniedCall) + Send + Sync>;

/// The denied calls of all sandboxes of a component. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Denials {
    shared: Arc<OfThread>,
    network_granted: bool,
}

/// The reference of all sandboxes of a thread, which count references to it.
#[derive(Default)]
struct OfThread(Arc<Shared>);

#[derive(Default)]
struct Shared {
    observer: OnceLock<Observer>,
    /// The flags of calls that were reported.
    reported: Mutex<Vec<Option<Cow<'static, str>>>>,
}

impl Denials {
    /// No calls yet. Without `network_granted`, sockets and name lookup are denied.
    pub(crate) fn new(network_granted: bool) -> Self {
        Self {
            shared: Arc::default(),
            network_granted,
        }
    }

    /// The same denials for the sandboxes of one thread, which share no count with others.
    #[cfg(all(feature = "service", feature = "compiler"))]
    pub(crate) fn for_thread(&self) -> Self {
        Self {
            shared: Arc::new(OfThread(Arc::clone(&self.shared.0))),
            ..*self
        }
    }

    /// Whether sockets and name lookup are denied.
    pub(super) fn denies_network(&self) -> bool {
        !self.network_granted
    }

    /// Sets the observer. Only the first one is called.
    pub(crate) fn observe(&self, observer: impl Fn(&DeniedCall) + Send + Sync + 'static) {
        // A second observer is dropped.
        let _ = self.shared.0.observer.set(Box::new(observer));
    }

    /// Reports a denied call of `function`, unless one of the same flag was reported.
    pub(super) fn report(
        &self,
        function: impl Into<Cow<'static, str>>,
        flag: Option<impl Into<Cow<'static, str>>>,
    ) {
        let flag = flag.map(Into::into);
        {
            let reported = &self.shared.0.reported;
            let mut reported = reported.lock().unwrap_or_else(PoisonError::into_inner);
            if reported.contains(&flag) || reported.len() >= DENIALS_REPORTED {
                return;
            }
            reported.push(flag.clone());
        }
        let call = DeniedCall {
            function: function.into(),
            flag,
        };
        tracing::debug!(function = %call.function, flag = call.flag.as_deref(), "call denied");
        if let Some(observer) = self.shared.0.observer.get() {
            observer(&call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_reported_once() {
        let (denials, seen) = (Denials::default(), Arc::new(Mutex::new(Vec::new())));
        let observed = Arc::clone(&seen);
        denials.observe(move |call| {
            let mut seen = observed.lock().expect("no panic");
            seen.push(call.to_string());
        });
        for _ in 0..2 {
            denials.report("a:b/c.d", Some("--flag"));
            denials.clone().report("a:b/c.e", Some("--flag"));
            denials.report("a:b/f.g", None::<&str>);
        }
        assert_eq!(
            *seen.lock().expect("no panic"),
            [
                "the program called a:b/c.d without a grant; use --flag to grant it",
                "the program called a:b/f.g without a grant; no flag grants it",
            ]
        );
    }
}
