//! `cocoon completions`: prints a completion script for a shell.

use clap::Args;
use clap_complete::Shell;

use crate::cli::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Shell of the script
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command: clap::Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "cocoon", &mut script);
        super::man::print(&script)
    }
}
