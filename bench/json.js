'use strict';

// JSON as the formatter of this repository leaves it, so that a report can lie in it. Figures that
// belong together stand in one line.

const WIDTH = 100;
const STEP = '  ';

/** @param {unknown} value */
const isPlain = (value) => typeof value !== 'object' || value === null;

/**
 * @param {any} value of which nothing is undefined
 * @param {string} [indent] of the line that it begins in
 * @param {number} [used] columns that the line needs for something else
 * @returns {string}
 */
function jsonText(value, indent = '', used = 0) {
  if (isPlain(value)) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const keys = isList ? [] : Object.keys(value);
  const all = Object.values(value);
  if (all.length === 0) return isList ? '[]' : '{}';
  const names = keys.map((key) => `${JSON.stringify(key)}: `);
  const areFigures = all.every((each) => typeof each === 'number');
  if (areFigures || (isList && all.every(isPlain))) {
    const parts = all.map((each, index) => `${names[index] ?? ''}${JSON.stringify(each)}`);
    const line = isList ? `[${parts.join(', ')}]` : `{ ${parts.join(', ')} }`;
    if (indent.length + used + line.length <= WIDTH) return line;
    if (isList && areFigures) return filled(parts, indent);
  }
  const inner = indent + STEP;
  const lines = all.map((each, index) => {
    const name = names[index] ?? '';
    const comma = index < all.length - 1 ? 1 : 0;
    return `${inner}${name}${jsonText(each, inner, name.length + comma)}`;
  });
  const [open, close] = isList ? '[]' : '{}';
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}

/** As many in a line as there is room for. @type {(parts: string[], indent: string) => string} */
function filled(parts, indent) {
  const inner = indent + STEP;
  /** @type {string[]} */
  const lines = [];
  for (const [index, part] of parts.entries()) {
    const last = lines[lines.length - 1];
    const commas = index < parts.length - 1 ? ', ,' : ', ';
    if (last === undefined || last.length + commas.length + part.length > WIDTH) {
      lines.push(inner + part);
    } else lines[lines.length - 1] = `${last}, ${part}`;
  }
  return `[\n${lines.join(',\n')}\n${indent}]`;
}

module.exports = { jsonText };
