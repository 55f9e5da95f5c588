//! External programs that some tests need and a machine may lack.
//!
//! A test that needs one of them is `#[ignore = "needs …"]`. `.ci/tools` installs all of them;
//! with `--include-ignored` a missing program fails the test and names its package.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, iter};

use crate::harness::{Outcome, clean, run_command};

/// A program that a test needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    name: &'static str,
    /// The command that installs this program alone.
    install: &'static str,
}

pub(crate) const CHROMEDRIVER: Tool = Tool {
    name: "chromedriver",
    install: "apt-get install chromium chromium-driver",
};
pub(crate) const CLANG: Tool = Tool {
    name: "clang",
    install: "apt-get install clang lld wasi-libc libclang-rt-dev-wasm32",
};
pub(crate) const COMPONENTIZE_PY: Tool = Tool {
    name: "componentize-py",
    install: "pip install componentize-py==0.25.1",
};
pub(crate) const CONFTEST: Tool = Tool {
    name: "conftest",
    install: "go install github.com/open-policy-agent/conftest@v0.71.1",
};
pub(crate) const CURL: Tool = Tool {
    name: "curl",
    install: "apt-get install curl",
};
pub(crate) const DOCKER: Tool = Tool {
    name: "docker",
    install: "apt-get install docker.io",
};
pub(crate) const DOCKER_REGISTRY: Tool = Tool {
    name: "docker-registry",
    install: "apt-get install docker-registry",
};
pub(crate) const GO: Tool = Tool {
    name: "go",
    install: "apt-get install golang",
};
pub(crate) const KUSTOMIZE: Tool = Tool {
    name: "kustomize",
    install: "go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
};
pub(crate) const NODE: Tool = Tool {
    name: "node",
    install: "apt-get install nodejs npm",
};
pub(crate) const OPENSSL: Tool = Tool {
    name: "openssl",
    install: "apt-get install openssl",
};
pub(crate) const PROMETHEUS: Tool = Tool {
    name: "prometheus",
    install: "apt-get install prometheus",
};
pub(crate) const PROMTOOL: Tool = Tool {
    name: "promtool",
    install: "apt-get install prometheus",
};
pub(crate) const SCRIPT: Tool = Tool {
    name: "script",
    install: "apt-get install bsdutils",
};
pub(crate) const WASMTIME: Tool = Tool {
    name: "wasmtime",
    install: "cargo install wasmtime-cli --version 48.0.8 --locked",
};

impl Tool {
    /// A command that runs the program from `tools/bin` in the target folder, or else from
    /// `PATH`, without this project's variables.
    ///
    /// # Panics
    ///
    /// When the program is missing.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(self.path());
        clean(&mut command);
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    ///
    /// When the program is missing.
    pub(crate) fn run(self, arguments: &[&str]) -> Outcome {
        run_command(self.command().args(arguments))
    }

    /// The folder with the program.
    ///
    /// # Panics
    ///
    /// When the program is missing.
    pub(crate) fn folder(self) -> PathBuf {
        self.path().parent().expect("a folder").to_owned()
    }

    fn path(self) -> PathBuf {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = iter::once(own_folder().join("bin")).chain(env::split_paths(&path));
        let found = folders
            .map(|folder| folder.join(self.name))
            .find(|program| program.is_file());
        let Self { name, install } = self;
        found.unwrap_or_else(|| {
            panic!("expected the program {name}, got none in PATH; run `.ci/tools` or `{install}`")
        })
    }
}

/// The folder into which `.ci/tools` installs what Debian does not package: programs into
/// `bin`.
fn own_folder() -> PathBuf {
    let component = Path::new(cocoon_test_guests::BUNDLED);
    let target = component.ancestors().nth(4).expect("a target folder");
    target.join("tools")
}

/// The `node_modules` with componentize-js.
///
/// # Panics
///
/// When it is missing.
pub(crate) fn componentize_js() -> PathBuf {
    let modules = own_folder().join("componentize-js/node_modules");
    let is_there = modules.is_dir();
    assert!(
        is_there,
        "expected componentize-js, got none; run `.ci/tools`"
    );
    modules
}

/// The folder with Python's package `markdown`.
///
/// # Panics
///
/// When it is missing.
pub(crate) fn markdown() -> PathBuf {
    let packages = own_folder().join("markdown/packages");
    let is_there = packages.is_dir();
    assert!(is_there, "expected markdown, got none; run `.ci/tools`");
    packages
}

#[test]
fn a_missing_program_is_named_with_the_command_that_installs_it() {
    const NONE: Tool = Tool {
        name: "cocoon-no-such-program",
        install: "apt-get install nothing",
    };
    let panic = std::panic::catch_unwind(|| NONE.command()).expect_err("there is none");
    let message = panic.downcast_ref::<String>().expect("a text");
    for words in [NONE.name, NONE.install, ".ci/tools"] {
        assert!(message.contains(words), "{message}");
    }
}
