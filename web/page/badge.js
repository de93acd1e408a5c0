// @ts-check
/** How many incidents are open, beside the title of the map. */

import { ask } from "./api.js";
import { byId, put, say } from "./dom.js";
import { plural } from "./words.js";

const EVERY_MS = 15_000;

/** Asks now and then; where nobody keeps incidents nothing is shown. */
export function badge() {
  const link = byId("open-incidents", HTMLAnchorElement);
  const words = new URLSearchParams({ state: "open", limit: "0" });
  const look = () =>
    ask("incidents", words).then(
      ({ data }) => {
        put(link, { hidden: !data.watched, class: data.open ? "badge bad" : "badge" });
        say(link, data.open ? `✖ ${plural(data.open, "open incident")}` : "Incidents");
      },
      () => undefined, // the map says why nothing is answered
    );
  setInterval(() => document.hidden || void look(), EVERY_MS);
  void look();
}
