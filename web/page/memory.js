// @ts-check
/** What the browser remembers for the page; one that forbids it forgets with the page. */

/** @type {Map<string, string>} */
const forgetful = new Map();

/** @typedef {"always" | "tab"} Keeping until when it is remembered */

/** @param {Keeping} keeping */
function storage(keeping) {
  return keeping === "tab" ? sessionStorage : localStorage;
}

/** @param {string} name @param {Keeping} [keeping] @returns {string} empty: nothing */
export function recall(name, keeping = "always") {
  try {
    return storage(keeping).getItem(`tailrace-${name}`) ?? "";
  } catch {
    return forgetful.get(name) ?? "";
  }
}

/** @param {string} name @param {string} text @param {Keeping} [keeping] */
export function remember(name, text, keeping = "always") {
  forgetful.set(name, text);
  try {
    storage(keeping).setItem(`tailrace-${name}`, text);
  } catch {
    // The browser forbids it: until the page is left it is known here.
  }
}
