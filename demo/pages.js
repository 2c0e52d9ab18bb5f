'use strict';

// What the application of the second act is about. Its server and its visitors both know it, so that
// a visitor can tell whether an answer is right.

/** How many pages there are, and how many of them the cache keeps. */
const PAGES = 1000;
const CACHED = 300;
/** How many a session remembers. */
const REMEMBERED = 5;

/** @typedef {{ visits: number, pages: number[] }} Session */

/** @type {Readonly<Session>} */
const NEW_SESSION = Object.freeze({ visits: 0, pages: [] });

/** The session after one more visit. @type {(session: Session, page: number) => Session} */
function visited({ visits, pages }, page) {
  return { visits: visits + 1, pages: [...pages, page].slice(-REMEMBERED) };
}

/** @param {number} page */
const textOf = (page) =>
  `Page ${page} of ${PAGES}. ${'It took a while to write. '.repeat(page % 9)}`;

module.exports = { CACHED, NEW_SESSION, PAGES, textOf, visited };
