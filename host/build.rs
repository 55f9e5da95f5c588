//! Embeds the bundled component and its precompiled code, so that `cocoon` starts in
//! milliseconds.
//!
//! The package `cocoon-bundle` builds and precompiles the component. A build without the
//! feature `compiler` copies both from the folder `COCOON_BUNDLED`: the `OUT_DIR` of a build
//! with it. A build without the feature `bundled` has no component.

use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "bundled")]
    if let Err(error) = bundled::embed() {
        println!("cargo::error={error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[cfg(feature = "bundled")]
mod bundled {
    use std::error::Error;
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use sha2::{Digest as _, Sha256};

    /// The variable that names the folder with the component and its code.
    const BUNDLED: &str = "COCOON_BUNDLED";

    /// Writes the component and its code to `OUT_DIR`.
    pub(crate) fn embed() -> Result<(), Box<dyn Error>> {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        println!("cargo::rerun-if-env-changed={BUNDLED}");
        let level = match env::var("CARGO_CFG_TARGET_ARCH")?.as_str() {
            "x86_64" => "x86_64-v3".to_owned(),
            baseline => baseline.to_owned(),
        };
        println!("cargo::rustc-env=COCOON_CODE_FOR={level}");
        match env::var_os(BUNDLED) {
            Some(folder) => copy(Path::new(&folder), &out)?,
            None => precompile(&out)?,
        }
        pack(&out)
    }

    fn copy(folder: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
        for name in ["factorial.wasm", "factorial.code", "reply.code"] {
            let file = folder.join(name);
            println!("cargo::rerun-if-changed={}", file.display());
            fs::copy(&file, out.join(name))
                .map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(())
    }

    #[cfg(feature = "compiler")]
    fn precompile(out: &Path) -> Result<(), Box<dyn Error>> {
        cocoon_bundle::precompile(out)
    }

    #[cfg(not(feature = "compiler"))]
    fn precompile(_: &Path) -> Result<(), Box<dyn Error>> {
        Err(format!(
            "the feature `bundled` needs the feature `compiler`, or the variable {BUNDLED} with \
             the path of a folder with factorial.wasm, factorial.code and reply.code"
        )
        .into())
    }

    /// Compresses all but the code that every start needs. The component's own bytes are for
    /// processors that cannot run the code.
    fn pack(out: &Path) -> Result<(), Box<dyn Error>> {
        let wasm = fs::read(out.join("factorial.wasm"))?;
        let digest = Sha256::digest(&wasm);
        let digits = digest.iter().fold(String::new(), |digits, byte| {
            digits + &format!("{byte:02x}")
        });
        println!("cargo::rustc-env=COCOON_DIGEST={digits}");
        for (name, bytes) in [
            ("factorial.wasm.gz", wasm),
            ("reply.code.gz", fs::read(out.join("reply.code"))?),
        ] {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
            gzip.write_all(&bytes)?;
            fs::write(out.join(name), gzip.finish()?)?;
        }
        Ok(())
    }
}
