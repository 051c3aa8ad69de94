// Trying folders again.

import { change } from "./api.js";
import { el } from "./dom.js";
import { live } from "./live.js";
import { tell } from "./told.js";
import { many } from "./words.js";

const MOST = 60000; // bytes of a request: the service takes 64 KiB

/** Makes a button that has these folders tried again. */
export function retryButton(text, folders, after = () => {}) {
  return el("button", { type: "button", onclick: async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      tell(await retry(folders));
    } catch (error) {
      tell(error.message);
    }
    button.disabled = false;
    live.soon();
    await Promise.resolve(after()).catch(() => {}); // the connection is told of elsewhere
    if (document.activeElement === document.body) document.querySelector("h1")?.focus(); // its folder left the list
  } }, text);
}

async function retry(folders) {
  let sum = 0;
  const remarks = new Set();
  for (const part of parts(folders)) {
    const answer = await change("retry", { folders: part });
    sum += answer.folders;
    for (const remark of answer.remarks ?? []) remarks.add(remark);
  }
  return [`${many(sum, "folder is", "folders are")} tried again.`, ...[...remarks].slice(0, 3)].join(" ");
}

function* parts(folders) {
  let part = [];
  let length = 0;
  for (const { dataset, folder } of folders) {
    const more = new TextEncoder().encode(JSON.stringify({ dataset, folder })).length + 1;
    if (part.length && length + more > MOST) {
      yield part;
      [part, length] = [[], 0];
    }
    part.push({ dataset, folder });
    length += more;
  }
  if (part.length) yield part;
}
