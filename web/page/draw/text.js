// @ts-check
/** Text that fits, measured with the page's own font. */

const FONTS = { name: "600 15.6px", sub: "15.4px" };
const FAMILY = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

/** @type {Map<string, string>} */
const known = new Map();
const KNOWN_AT_MOST = 20_000;

/** @type {CanvasRenderingContext2D | null | undefined} */
let context;

/** @typedef {"middle" | "end"} Cut what gives way: the middle of a name, for ends tell names apart; the end of a sentence */

/** @param {string} text @param {number} width in the map's units @param {keyof typeof FONTS} font @param {Cut} [cut] */
export function fitted(text, width, font, cut = "middle") {
  const key = `${font} ${width} ${text}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const result = shortened(text, (words) => measured(words, font) <= width, cut);
  if (known.size >= KNOWN_AT_MOST) known.clear();
  known.set(key, result);
  return result;
}

/** @param {string} text @param {keyof typeof FONTS} font */
function measured(text, font) {
  context ??= document.createElement("canvas").getContext("2d");
  if (!context) return text.length * 8.5;
  context.font = `${FONTS[font]} ${FAMILY}`;
  return context.measureText(text).width;
}

/**
 * The longest form that fits.
 * @param {string} text
 * @param {(text: string) => boolean} fits
 * @param {Cut} [cut]
 */
export function shortened(text, fits, cut = "middle") {
  if (fits(text)) return text;
  let low = 1;
  let high = text.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(without(text, middle, cut))) low = middle;
    else high = middle - 1;
  }
  return without(text, low, cut);
}

/** @param {string} text @param {number} length that is kept @param {Cut} cut */
function without(text, length, cut) {
  const head = cut === "end" ? length : Math.ceil(length * 0.6);
  return `${text.slice(0, head)}…${text.slice(text.length - (length - head))}`;
}
