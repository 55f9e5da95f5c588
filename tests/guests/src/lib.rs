//! Paths of the components for the whole-system tests. The build script builds them; their
//! sources are in `components/`.

pub mod hostile;

/// A component of the factorial world with the misbehaviour of [`hostile`].
pub const HOSTILE_FACTORIAL: &str = env!("COCOON_TEST_HOSTILE_FACTORIAL");
/// A program whose first argument selects its behaviour, most of it hostile.
pub const HOSTILE_PROGRAM: &str = env!("COCOON_TEST_HOSTILE_PROGRAM");
/// A handler whose path selects its behaviour.
pub const HANDLER: &str = env!("COCOON_TEST_HANDLER");
/// A handler of WASI 0.3 whose path selects its behaviour.
pub const P3_HANDLER: &str = env!("COCOON_TEST_P3_HANDLER");
/// A program of WASI 0.3, whose first argument selects its behaviour.
pub const P3_PROGRAM: &str = env!("COCOON_TEST_P3_PROGRAM");
/// A component of another world: `cocoon:numbers/numbers`.
pub const NUMBERS: &str = env!("COCOON_TEST_NUMBERS");
/// A program that this project did not write: `factor` of the uutils.
pub const FOREIGN_FACTOR: &str = env!("COCOON_TEST_FOREIGN_FACTOR");
/// The bundled component at the path of the host's build script.
pub const BUNDLED: &str = env!("COCOON_TEST_BUNDLED");
