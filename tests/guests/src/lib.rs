//! Where the components lie that the whole-system tests run. The build script
//! builds them; their sources are in `components/`.

pub mod hostile;

/// A component of the factorial world that misbehaves as [`hostile`] says.
pub const HOSTILE_FACTORIAL: &str = env!("COCOON_TEST_HOSTILE_FACTORIAL");
/// A program that does what its first argument says, most of it unkind.
pub const HOSTILE_PROGRAM: &str = env!("COCOON_TEST_HOSTILE_PROGRAM");
/// A component of a world of its own: `cocoon:numbers/numbers`.
pub const NUMBERS: &str = env!("COCOON_TEST_NUMBERS");
/// A program that this project did not write: `factor` of the uutils.
pub const FOREIGN_FACTOR: &str = env!("COCOON_TEST_FOREIGN_FACTOR");
/// The bundled component, where the host's build script puts it.
pub const BUNDLED: &str = env!("COCOON_TEST_BUNDLED");
