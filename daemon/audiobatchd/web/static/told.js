// What became of something that was asked for, in a line that is also read aloud.

let timer = 0;

/** Says a sentence; it stays for a while. With `hidden` it is only read aloud. */
export function tell(text, kind = "shown") {
  const line = document.getElementById("told");
  line.className = kind === "shown" ? "told" : kind;
  line.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => line.replaceChildren(), 12000);
}
