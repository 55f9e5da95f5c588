//! What the hostile factorial does for which n. The component and the tests
//! both include this table.

/// Bytes that [`TRAP_MIDSTREAM`] and its like write before they go wrong.
pub const BYTES_BEFORE: u64 = 100_000;
/// What [`TAKE_ALL`] promises: the limit of a sandbox's memory in its tests.
pub const ALL_BYTES: u64 = 8 << 20;
/// What [`TAKE_MORE`] promises.
pub const LITTLE_BYTES: u64 = 512 << 10;
/// What [`TAKE_MUCH_MORE`] promises, too much for the lane of small jobs.
pub const MUCH_BYTES: u64 = 4 << 20;

/// From here on a number is answered honestly, with itself.
pub const HONEST: u64 = 1000;

/// `cost` never ends.
pub const COST_SPINS: u64 = 1;
/// `cost` takes memory without end.
pub const COST_TAKES: u64 = 2;
/// `cost` panics.
pub const COST_PANICS: u64 = 3;
/// `compute` never ends.
pub const SPIN: u64 = 4;
/// Promises [`ALL_BYTES`] and takes memory without end.
pub const TAKE_ALL: u64 = 5;
/// Promises [`LITTLE_BYTES`] and takes memory without end.
pub const TAKE_MORE: u64 = 6;
/// Promises [`MUCH_BYTES`] and takes memory without end.
pub const TAKE_MUCH_MORE: u64 = 7;
/// Calls itself without end.
pub const RECURSE: u64 = 8;
/// Panics.
pub const PANIC: u64 = 9;
/// Promises a digit and replies with more than a reply may have.
pub const OVERLONG_REPLY: u64 = 10;
/// Promises some digits and replies with more, if no more than a reply may have.
pub const LONG_REPLY: u64 = 11;
/// Replies with what is not UTF-8.
pub const INVALID_REPLY: u64 = 12;
/// Says that its computation failed.
pub const SAY_FAILED: u64 = 13;

/// From here on the answer is said to be long, so that it is streamed.
pub const STREAMED: u64 = 100;
/// Streams digits without end.
pub const FLOOD: u64 = 100;
/// Panics after [`BYTES_BEFORE`].
pub const TRAP_MIDSTREAM: u64 = 101;
/// Ends the stream after [`BYTES_BEFORE`], and says that it failed.
pub const FAIL_MIDSTREAM: u64 = 102;
/// Ends the stream after [`BYTES_BEFORE`], and never says how.
pub const END_SILENTLY: u64 = 103;
/// Writes [`BYTES_BEFORE`], then spins.
pub const SPIN_MIDSTREAM: u64 = 104;
/// Writes [`BYTES_BEFORE`], then waits for a stream that nobody writes.
pub const WAIT_MIDSTREAM: u64 = 105;
/// Waits for a stream that nobody writes, before it returns its own.
pub const WAIT_FIRST: u64 = 106;
/// Writes [`BYTES_BEFORE`], then takes memory without end.
pub const TAKE_MIDSTREAM: u64 = 107;
/// Says that all is well and keeps the stream open.
pub const RESOLVE_EARLY: u64 = 108;
/// Says that it is all too large once it is asked for digits.
pub const REFUSE_DIGITS: u64 = 109;
/// Promises to write no more than [`BYTES_BEFORE`], and floods.
pub const FLOOD_PROMISED: u64 = 110;

/// From here on two parts and a third, which joins them, are planned where three
/// sandboxes may be at work, and honest parts put out [`PART_BYTES`] each: `1` from part 0
/// and `2` from part 1. The joiner puts out both, and fails where a byte is
/// another.
pub const PARTED: u64 = 300;
/// What each part puts out: more than a channel holds.
pub const PART_BYTES: u64 = 3 << 20;
/// Part 1 panics after [`BYTES_BEFORE`].
pub const PART_TRAPS: u64 = 301;
/// Part 1 panics at once, whatever it is asked.
pub const PART_TRAPS_AT_ONCE: u64 = 302;
/// Part 1 says at once that it failed.
pub const PART_SAYS_FAILED: u64 = 303;
/// Part 1 takes more memory than was planned for it.
pub const PART_TAKES: u64 = 304;
/// Part 1 never ends.
pub const PART_SPINS: u64 = 305;
/// Part 1 floods.
pub const PART_FLOODS: u64 = 306;
/// Part 1 never says how it ended.
pub const PART_ENDS_SILENTLY: u64 = 307;
/// The joiner ends after the first bytes of part 0, and says that all is well.
pub const JOINER_LEAVES: u64 = 308;
/// The joiner panics after the first bytes of part 0.
pub const JOINER_TRAPS: u64 = 309;
/// Two parts exchange what they have, each while it reads, and then the first gives
/// what it got to the second, which joins that with what it got itself.
pub const CROSSED: u64 = 310;
/// Each part is planned to take [`MUCH_BYTES`].
pub const LARGE_PARTS: u64 = 311;
/// The first part of the plan reads from itself.
pub const PLAN_OF_ITSELF: u64 = 312;
/// The plan is empty.
pub const PLAN_EMPTY: u64 = 313;
/// Asking for the plan panics.
pub const PLAN_PANICS: u64 = 314;
/// The plan has a part more than there may be sandboxes.
pub const PLAN_TOO_WIDE: u64 = 315;
/// The joiner panics before it reads anything.
pub const JOINER_TRAPS_AT_ONCE: u64 = 316;
/// Part 1 has no stream for who reads from it.
pub const PART_WITHOUT_OUTPUT: u64 = 317;
/// Two parts wait for each other.
pub const PARTS_WAIT: u64 = 318;
/// Part 1 closes its stream without a byte, and then says that it failed.
pub const PART_CLOSES_AND_FAILS: u64 = 319;
/// From here on there are no parts.
pub const PARTED_END: u64 = 320;

/// Its digits are checked and found right, whatever they are.
pub const VERIFY_RIGHT: u64 = 400;
/// They are found wrong after the first bytes.
pub const VERIFY_WRONG_EARLY: u64 = 401;
/// They are found wrong in words of many lines.
pub const VERIFY_WORDY: u64 = 402;
/// Checking panics.
pub const VERIFY_PANICS: u64 = 403;
/// Checking never ends.
pub const VERIFY_SPINS: u64 = 404;
/// Checking takes memory without end.
pub const VERIFY_TAKES: u64 = 405;
/// Checking says that it failed.
pub const VERIFY_FAILS: u64 = 406;

/// As a request to `serve`: reads no further.
pub const DEAF: u64 = 200;
/// As a request to `serve`: ends the answers.
pub const LEAVE: u64 = 201;
/// As a request to `serve`: panics.
pub const TRAP_SERVING: u64 = 202;
/// As a request to `serve`: answers without end.
pub const ANSWER_FOREVER: u64 = 203;
/// As a request to `serve`: spins.
pub const SPIN_SERVING: u64 = 204;
