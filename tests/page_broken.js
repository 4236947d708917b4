// Of the words in these parts of the board that are no longer than most words are, how many there are, and which of them
// stand on two lines. Longer ones may be broken, and what has a hyphen may be at it.
const [parts] = arguments;
const broken = [];
let count = 0;
for (const part of document.querySelectorAll(".board")[0].querySelectorAll(parts)) {
  const texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    for (const word of text.data.matchAll(/\S+/g)) {
      if (word[0].length > 12 || word[0].includes("-")) continue;
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      count += 1;
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
}
return [count, broken];
