'use strict';

// What the texts hold that can be tried: blocks of code, links, names of files, commands.

/**
 * @typedef {object} Block
 * @property {string} language
 * @property {string} code
 * @property {number} line on which it begins
 * @property {string} [skip] why it is not run, from a comment `<!-- not run: ... -->` before it
 * @property {string} [output] the block of text that follows it
 */

const NOT_RUN = /^<!-- not run: (.+) -->$/;
const FENCE = /^```(\S*)$/;

/**
 * All blocks of code; one of text belongs to the one before it.
 * @param {string} text
 * @returns {Block[]}
 */
function blocksOf(text) {
  const lines = text.split('\n');
  const blocks = /** @type {Block[]} */ ([]);
  let end = -1;
  for (let start = 0; start < lines.length; start += 1) {
    const language = FENCE.exec(lines[start])?.[1];
    if (language === undefined) continue;
    const before = lines.slice(end + 1, start).filter((line) => line !== '');
    end = lines.indexOf('```', start + 1);
    if (end < 0) throw new Error(`line ${start + 1}: a block without an end`);
    const code = lines.slice(start + 1, end).join('\n');
    const last = blocks.at(-1);
    if (language === 'text' && last !== undefined && before.length === 0) {
      last.output = code;
    } else {
      const skip = NOT_RUN.exec(before.at(-1) ?? '')?.[1];
      blocks.push({ language, code, line: start + 1, skip });
    }
    start = end;
  }
  return blocks;
}

/**
 * What a program is to print: the block of text behind it, or the comment behind each console.log.
 * @param {Block} block
 * @returns {string[]} lines
 */
function expectedOf({ code, output }) {
  if (output !== undefined) return output.split('\n');
  return code.split('\n').flatMap((line) => {
    if (!line.includes('console.log(')) return [];
    const comment = /\); \/\/ (.+)$/.exec(line)?.[1];
    if (comment === undefined) throw new Error(`nobody says what this prints: ${line.trim()}`);
    return [comment];
  });
}

/** The text without its blocks of code. @param {string} text */
function prose(text) {
  return text.replace(/^```[\s\S]*?^```$/gm, '');
}

/** Where links and pictures lead. @param {string} text */
function linksOf(text) {
  return [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
}

/** Between backticks, outside of blocks. @param {string} text */
function wordsOf(text) {
  return [...prose(text).matchAll(/`([^`\n]+)`/g)].map(([, word]) => word);
}

/** The names under which the headings of a text can be linked to, as GitHub makes them. @param {string} text */
function anchorsOf(text) {
  return [...prose(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

module.exports = { anchorsOf, blocksOf, expectedOf, linksOf, wordsOf };
