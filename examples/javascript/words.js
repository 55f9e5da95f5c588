// words: counts the lines, words and bytes of standard input, and prints the ten most
// frequent words. `words factorials` prints 0! to 10!.

import { getArguments } from 'wasi:cli/environment@0.2.12';
import { getStdin } from 'wasi:cli/stdin@0.2.12';
import { getStdout } from 'wasi:cli/stdout@0.2.12';
import { getStderr } from 'wasi:cli/stderr@0.2.12';

// The number of words in the list.
const FREQUENT = 10;
// Bytes for each read.
const BLOCK_BYTES = 64n << 10n;
// WASI's limit for one write.
const WRITE_BYTES = 4096;

const NEWLINE = '\n'.charCodeAt(0);
const CASE = 'a'.charCodeAt(0) - 'A'.charCodeAt(0);

// Blocks of standard input.
function* blocks() {
  const input = getStdin();
  for (;;) {
    try {
      yield input.blockingRead(BLOCK_BYTES);
    } catch (error) {
      if (error.payload?.tag === 'closed') return;
      throw error;
    }
  }
}

// Strings have one character for each byte.
function write(stream, text) {
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
    stream.blockingWriteAndFlush(bytes.subarray(at, at + WRITE_BYTES));
  }
}

function countWords() {
  let lines = 0;
  let words = 0;
  let bytes = 0;
  const each = new Map();
  // The last word so far, which the next block may continue.
  let word = '';
  const endWord = () => {
    if (word === '') return;
    words += 1;
    each.set(word, (each.get(word) ?? 0) + 1);
    word = '';
  };
  for (const block of blocks()) {
    bytes += block.length;
    for (const byte of block) {
      if (byte === NEWLINE) lines += 1;
      const letter = byte >= 65 && byte <= 90 ? byte + CASE : byte;
      // All bytes of a character beyond ASCII are letters.
      if ((letter >= 97 && letter <= 122) || letter >= 0x80) {
        word += String.fromCharCode(letter);
      } else {
        endWord();
      }
    }
  }
  endWord();
  const frequent = [...each].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const list = frequent.slice(0, FREQUENT).map(([word, count]) => `${count} ${word}\n`);
  return `lines ${lines}\nwords ${words}\nbytes ${bytes}\n${list.join('')}`;
}

function factorials() {
  let factorial = 1n;
  let list = '';
  for (let n = 0n; n <= 10n; n += 1n) {
    factorial *= n || 1n;
    list += `${n}! = ${factorial}\n`;
  }
  return list;
}

export const run = {
  run() {
    const [, ...args] = getArguments();
    if (args.length === 0) {
      write(getStdout(), countWords());
    } else if (args.length === 1 && args[0] === 'factorials') {
      write(getStdout(), factorials());
    } else {
      write(getStderr(), 'usage: words [factorials]\n');
      throw undefined;
    }
  },
};
