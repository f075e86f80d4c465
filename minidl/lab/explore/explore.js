// Reads the knobs, asks the server for what they make, and draws it. No library, and no other server.

const { ceil, floor, log10, max, min, round } = Math;
const form = document.getElementById("knobs");
const element = id => document.getElementById(id);

// ---- knobs

function knobs() {                       // as the server knows them: no "start", which only says what the gain is
  const { start, gain, ...others } = Object.fromEntries(new FormData(form));
  return { ...others, gain: start === "number" ? gain : start };
}

function show() {                        // sliders where their numbers are, and only the knobs that do something
  for (const slider of form.querySelectorAll("[data-for]")) {
    const value = Number(form.elements[slider.dataset.for].value);
    slider.value = slider.dataset.log ? Math.log2(value) : value;
  }
  element("variance").hidden = form.elements.start.value !== "number";
  element("lambda").hidden = form.elements.shortcut.value === "none";
}

function restore() {                     // the knobs that stand in the address
  for (const [name, value] of new URLSearchParams(location.search)) {
    const starts = [...form.elements.start.options].map(option => option.value);
    if (name === "gain" && starts.includes(value)) form.elements.start.value = value;
    else if (form.elements[name]) {
      if (name === "gain") form.elements.start.value = "number";
      const field = form.elements[name];
      if (field.options && ![...field.options].some(option => option.value === value)) field.add(new Option(value, value));
      field.value = value;
    }
  }
}

form.addEventListener("input", event => {
  const { dataset, value } = event.target;
  if (dataset.for) form.elements[dataset.for].value = dataset.log ? Number((2 ** value).toPrecision(3)) : value;
  changed();
});
form.addEventListener("submit", event => event.preventDefault());
element("again").addEventListener("click", () => {
  form.elements.seed.value = Number(form.elements.seed.value) + 1;
  changed();
});

// ---- asking: one question at a time, and of those that come meanwhile only the last

let waiting = false, asking = false, last = null;

async function changed() {
  show();
  waiting = true;
  if (asking) return;
  asking = true;
  while (waiting) {
    waiting = false;
    const query = new URLSearchParams(knobs());
    history.replaceState(null, "", `?${query}`);
    let seen;
    try {
      seen = await (await fetch(`profile?${query}`)).json();
    } catch {
      seen = { error: "The program that measures does not answer; is minidl lab explore still running?" };
    }
    answer(seen);
    document.body.dataset.answered = query;
  }
  asking = false;
}

function answer(seen) {
  element("error").hidden = !seen.error;
  element("error").textContent = seen.error ?? "";
  document.querySelector("main").classList.toggle("wrong", Boolean(seen.error));
  if (seen.error) return;
  last = seen;
  element("said").replaceChildren(...seen.sentences.map(sentence => {
    const p = document.createElement("p");
    p.textContent = sentence;
    return p;
  }));
  element("state").textContent = `${seen.state}. Measured in ${round(1000 * seen.seconds)} ms.`;
  element("theory").hidden = !seen.theory;
  picture(seen);
}

function picture(seen) {
  const power = seen.law === "power";
  draw(element("trunk"), {
    height: 340, x: seen.places, y: seen.trunk, theory: seen.theory, power, label: "‖dL/dx‖", below: seen.axis,
  });
  draw(element("weights"), {
    height: 250, x: seen.weight_places, y: seen.weights, theory: null, power: false, label: "‖dL/dW‖", below: "layer, from the input",
  });
}

// ---- drawing

function add(parent, tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.append(text);
  parent.append(made);
  return made;
}

const superscript = n => String(n).replace(/[-0-9]/g, digit => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]);
const short = x => x === null ? "no finite number" : x === 0 ? "0" : x >= 0.01 && x < 1e4 ? String(Number(x.toPrecision(3))) : x.toExponential(1);

function decades(numbers) {              // powers of ten around all numbers above 0, at least three apart
  const logs = numbers.filter(y => y > 0 && Number.isFinite(y)).map(log10);
  let low = floor(min(...logs)), high = ceil(max(...logs));
  if (!logs.length) [low, high] = [-1, 1];
  while (high - low < 3) high - max(...logs) < min(...logs) - low ? high++ : low--;
  return [low, high];
}

function draw(svg, { height, x, y, theory, power, label, below }) {
  const width = max(svg.clientWidth, 300), left = 66, right = 16, top = 30, bottom = 48, zeros = y.some(value => value === 0) ? 26 : 0;
  const [low, high] = decades([...y, ...(theory ?? [])]);
  const along = power ? log10 : value => value;
  const first = along(x[0]), reach = max(along(x.at(-1)) - first, 1e-9);
  const px = value => left + (width - left - right) * (along(value) - first) / reach;
  const floor_ = height - bottom - zeros;
  const py = value => floor_ - (floor_ - top) * (log10(value) - low) / (high - low);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", `${label}: ${short(y[0])} at the input, ${short(y.at(-1))} at the output`);
  const every = ceil((high - low) / 8);
  for (let k = low; k <= high; k++) {
    if ((high - k) % every) continue;
    add(svg, "line", { class: "grid", x1: left, x2: width - right, y1: py(10 ** k), y2: py(10 ** k) });
    add(svg, "text", { class: "end", x: left - 8, y: py(10 ** k) + 5 }, `10${superscript(k)}`);
  }
  if (zeros) add(svg, "text", { class: "end", x: left - 8, y: height - bottom - 2 }, "0");
  for (const tick of ticks(x, power)) add(svg, "text", { class: "middle", x: px(tick), y: height - bottom + 20 }, tick);
  add(svg, "line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom });
  add(svg, "text", { class: "middle", x: (left + width - right) / 2, y: height - 6 }, below);
  add(svg, "text", { x: 4, y: 14 }, label);
  const points = (ys, from = 0) => ys.map((value, i) => [x[i], value]).filter(([, value]) => value > from && Number.isFinite(value))
    .map(([at, value]) => `${px(at).toFixed(1)},${py(value).toFixed(1)}`).join(" ");
  add(svg, "polyline", { class: "line", points: points(y) });
  if (theory) add(svg, "polyline", { class: "theory", points: points(theory) });
  y.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    const dot = add(svg, "circle", { class: value ? "dot" : "zero", r: x.length > 120 ? 2 : 3.2, cx: px(x[i]).toFixed(1),
      cy: (value ? py(value) : height - bottom - 6).toFixed(1) });
    add(dot, "title", {}, `${below} ${x[i]}: ${short(value)}${theory ? `, theory ${short(theory[i])}` : ""}`);
  });
}

function ticks(x, power) {
  const [first, end] = [x[0], x.at(-1)];
  if (power) return [1, 2, 5, 10, 20, 50, 100, 200].filter(tick => tick >= first && tick <= end);
  const step = [1, 2, 5, 10, 20, 50, 100].find(step => (end - first) / step <= 8);
  const ticks = [];
  for (let tick = ceil(first / step) * step; tick <= end; tick += step) ticks.push(tick);
  return ticks;
}

window.addEventListener("resize", () => last && picture(last));
restore();
changed();
