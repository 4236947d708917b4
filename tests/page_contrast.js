// [texts looked at, those whose contrast with what lies behind falls short of WCAG 2 AA].
const numbers = (color) => color.match(/[\d.]+/g).map(Number);
const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);

function behind(element) {
  for (let e = element; e; e = e.parentElement) {
    const color = numbers(getComputedStyle(e).backgroundColor);
    if (color.length < 4 || color[3] === 1) return color;
  }
  return [255, 255, 255];
}

for (const details of document.querySelectorAll("details")) details.open = true;
const short = [];
let count = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || element.closest("script, style") || !element.checkVisibility()) continue;
  count += 1;
  const style = getComputedStyle(element);
  const [dark, light] = [luminance(numbers(style.color)), luminance(behind(element))].sort((x, y) => x - y);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if ((light + 0.05) / (dark + 0.05) < (large ? 3 : 4.5)) short.push(element.outerHTML.slice(0, 120));
}
return [count, short];
