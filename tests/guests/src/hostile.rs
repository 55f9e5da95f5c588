//! The hostile factorial's behaviour for each n. The component and the tests both include this
//! table.

/// Bytes that [`TRAP_MIDSTREAM`] and similar requests write before they fail.
pub const BYTES_BEFORE: u64 = 100_000;
/// The promise of [`TAKE_ALL`]: the limit of a sandbox's memory in its tests.
pub const ALL_BYTES: u64 = 8 << 20;
/// The promise of [`TAKE_MORE`].
pub const LITTLE_BYTES: u64 = 512 << 10;
/// The promise of [`TAKE_MUCH_MORE`], too large for the lane of small jobs.
pub const MUCH_BYTES: u64 = 4 << 20;

/// From here on a number is answered honestly, with itself.
pub const HONEST: u64 = 1000;

/// `cost` spins.
pub const COST_SPINS: u64 = 1;
/// `cost` allocates memory without end.
pub const COST_TAKES: u64 = 2;
/// `cost` panics.
pub const COST_PANICS: u64 = 3;
/// `compute` spins.
pub const SPIN: u64 = 4;
/// Promises [`ALL_BYTES`] and allocates memory without end.
pub const TAKE_ALL: u64 = 5;
/// Promises [`LITTLE_BYTES`] and allocates memory without end.
pub const TAKE_MORE: u64 = 6;
/// Promises [`MUCH_BYTES`] and allocates memory without end.
pub const TAKE_MUCH_MORE: u64 = 7;
/// Recurses without end.
pub const RECURSE: u64 = 8;
/// Panics.
pub const PANIC: u64 = 9;
/// Promises one digit and replies with more than the contract allows.
pub const OVERLONG_REPLY: u64 = 10;
/// Promises some digits and replies with more, within the contract's maximum.
pub const LONG_REPLY: u64 = 11;
/// Replies with bytes that are not UTF-8.
pub const INVALID_REPLY: u64 = 12;
/// Returns the error of a failed computation.
pub const SAY_FAILED: u64 = 13;

/// From here on the promise is long, so that the answer is streamed.
pub const STREAMED: u64 = 100;
/// Streams digits without end.
pub const FLOOD: u64 = 100;
/// Panics after [`BYTES_BEFORE`].
pub const TRAP_MIDSTREAM: u64 = 101;
/// Ends the stream after [`BYTES_BEFORE`], and returns an error.
pub const FAIL_MIDSTREAM: u64 = 102;
/// Ends the stream after [`BYTES_BEFORE`], and never reports its outcome.
pub const END_SILENTLY: u64 = 103;
/// Writes [`BYTES_BEFORE`], then spins.
pub const SPIN_MIDSTREAM: u64 = 104;
/// Writes [`BYTES_BEFORE`], then waits for a stream without a writer.
pub const WAIT_MIDSTREAM: u64 = 105;
/// Waits for a stream without a writer before it returns its own.
pub const WAIT_FIRST: u64 = 106;
/// Writes [`BYTES_BEFORE`], then allocates memory without end.
pub const TAKE_MIDSTREAM: u64 = 107;
/// Reports success and keeps the stream open.
pub const RESOLVE_EARLY: u64 = 108;
/// Returns the error for numbers that are too large when digits are requested.
pub const REFUSE_DIGITS: u64 = 109;
/// Promises [`BYTES_BEFORE`] bytes and writes without end.
pub const FLOOD_PROMISED: u64 = 110;

/// From here on the plan has two parts and a third, which joins them, where three sandboxes are
/// allowed. Honest parts write [`PART_BYTES`] each: `1` from part 0 and `2` from part 1. The
/// joiner writes both, and fails if a byte is wrong.
pub const PARTED: u64 = 300;
/// The output of each part: more than a channel holds.
pub const PART_BYTES: u64 = 3 << 20;
/// Part 1 panics after [`BYTES_BEFORE`].
pub const PART_TRAPS: u64 = 301;
/// Part 1 panics at once, in every call.
pub const PART_TRAPS_AT_ONCE: u64 = 302;
/// Part 1 returns an error at once.
pub const PART_SAYS_FAILED: u64 = 303;
/// Part 1 allocates more memory than was planned for it.
pub const PART_TAKES: u64 = 304;
/// Part 1 spins.
pub const PART_SPINS: u64 = 305;
/// Part 1 writes without end.
pub const PART_FLOODS: u64 = 306;
/// Part 1 never reports its outcome.
pub const PART_ENDS_SILENTLY: u64 = 307;
/// The joiner ends after the first bytes of part 0, and reports success.
pub const JOINER_LEAVES: u64 = 308;
/// The joiner panics after the first bytes of part 0.
pub const JOINER_TRAPS: u64 = 309;
/// Two parts exchange their outputs, each while it reads. Then the first forwards its input to
/// the second, which joins that with its own.
pub const CROSSED: u64 = 310;
/// Each part is planned with [`MUCH_BYTES`].
pub const LARGE_PARTS: u64 = 311;
/// The first part of the plan reads from itself.
pub const PLAN_OF_ITSELF: u64 = 312;
/// The plan is empty.
pub const PLAN_EMPTY: u64 = 313;
/// The request for the plan panics.
pub const PLAN_PANICS: u64 = 314;
/// The plan has one part more than there may be sandboxes.
pub const PLAN_TOO_WIDE: u64 = 315;
/// The joiner panics before it reads.
pub const JOINER_TRAPS_AT_ONCE: u64 = 316;
/// Part 1 returns no stream for its reader.
pub const PART_WITHOUT_OUTPUT: u64 = 317;
/// Two parts wait for each other.
pub const PARTS_WAIT: u64 = 318;
/// Part 1 closes its stream without a byte, and then returns an error.
pub const PART_CLOSES_AND_FAILS: u64 = 319;
/// From here on there are no parts.
pub const PARTED_END: u64 = 320;

/// The check reports any digits as right.
pub const VERIFY_RIGHT: u64 = 400;
/// The check reports wrong digits after the first bytes.
pub const VERIFY_WRONG_EARLY: u64 = 401;
/// The check reports wrong digits in a text of many lines.
pub const VERIFY_WORDY: u64 = 402;
/// The check panics.
pub const VERIFY_PANICS: u64 = 403;
/// The check spins.
pub const VERIFY_SPINS: u64 = 404;
/// The check allocates memory without end.
pub const VERIFY_TAKES: u64 = 405;
/// The check returns an error.
pub const VERIFY_FAILS: u64 = 406;

/// As a request to `serve`: stops reading.
pub const DEAF: u64 = 200;
/// As a request to `serve`: ends the answers.
pub const LEAVE: u64 = 201;
/// As a request to `serve`: panics.
pub const TRAP_SERVING: u64 = 202;
/// As a request to `serve`: answers without end.
pub const ANSWER_FOREVER: u64 = 203;
/// As a request to `serve`: spins.
pub const SPIN_SERVING: u64 = 204;
