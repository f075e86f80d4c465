// The viewer of a trace: a page of its own has the numbers in it, a notebook hands them over. No library, no network.

const { abs, ceil, floor, max, min, round, sign } = Math;
const SCHEMES = {                        // below 0, 0, above 0: colours that nearly everybody can tell apart
  light: { below: ["#f6f6f4", "#79aee0", "#0b3d91"], above: ["#f6f6f4", "#efa35c", "#943800"], nan: "#c000b4", ink: "#111" },
  dark: { below: ["#20242b", "#2f6fc4", "#b4d8ff"], above: ["#20242b", "#c4681e", "#ffdcb0"], nan: "#ff4df5", ink: "#fff" },
};
const KEYS = [["→ ←", "moment"], ["Shift → ←", "op"], ["Home End", "first, last"], ["f b", "forward, backward of this op"],
  ["p", "pick a pixel"], ["/", "go to an op, a module, #12, nan, inf, zero, >3"], ["Esc", "back"]];

// ---- elements

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter(child => (child ?? "") !== ""));
  return element;
}

function sync(parent, children) {        // what is there already stays, and need not be laid out again
  children.forEach((child, i) => {
    const there = parent.childNodes[i];
    if (there !== child) there ? there.replaceWith(child) : parent.append(child);
  });
  while (parent.childNodes.length > children.length) parent.lastChild.remove();
}

function markup(tag, attributes, mathml, text) { // of MathML that minidl wrote; what a user wrote is text
  const element = h(tag, attributes, mathml ? "" : text);
  if (mathml) element.innerHTML = mathml;
  return element;
}

// ---- numbers

async function unpack(letters) {
  const bytes = Uint8Array.from(atob(letters.trim()), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const trace = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return Object.assign(trace, { numbers: buffer, begin: 4 + length });
}

const product = sizes => sizes.reduce((a, b) => a * b, 1);

function number(x, digits = 4) {         // in about seven letters
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "−inf";
  const plain = x === 0 || abs(x) >= 1e-3 && abs(x) < 1e5;
  return (plain ? String(Number(x.toPrecision(digits))) : x.toExponential(digits / 2)).replace("e+", "e").replaceAll("-", "−");
}

const brief = x => number(x, 2);
const shapeText = shape => shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;

class Numbers {
  // What is shown of the recorded arrays.
  constructor(trace) {
    this.trace = trace;
    this.known = new Map();
  }

  floats(offset, sizes) {
    return new Float32Array(this.trace.numbers, this.trace.begin + offset, product(sizes));
  }

  // { shape, norm, nans, infs, caption } and, if numbers are shown, { starts, sizes, numbers, exact, range, part }
  get(index) {
    if (this.known.has(index)) return this.known.get(index);
    const [shape, norm, nans, infs, caption, starts, sizes, offset, scale, part] = this.trace.snapshots[index];
    const array = { shape, norm: Number(norm), nans, infs, caption };
    if (starts) {
      const count = product(sizes);
      Object.assign(array, { starts, sizes, part, exact: scale === 0 });
      if (scale) {
        const bytes = new Int8Array(this.trace.numbers, this.trace.begin + offset, count);
        array.numbers = Float32Array.from(bytes, q => scale * sign(q) * (q / 127) ** 2);
      } else array.numbers = this.floats(offset, sizes);
      array.range = range(array.numbers);
    }
    this.known.set(index, array);
    return array;
  }
}

function range(numbers) {                // what is drawn in the strongest colour: of 100 numbers that are not 0, one is larger
  const sizes = numbers.filter(x => x !== 0 && Number.isFinite(x)).map(abs).sort();
  return sizes.length ? sizes[min(floor(sizes.length * 0.99), sizes.length - 1)] : 1;
}

function plain(numbers, sizes, caption, starts = sizes.map(() => 0)) { // an array that was computed here
  return { shape: sizes, sizes, starts, numbers, caption, exact: true, range: range(numbers) };
}

// ---- pictures

function tables(scheme) {                // 255 colours from the strongest below 0 to the strongest above
  const channel = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mix = (stops, t) => [0, 1, 2].map(i => {
    const [a, b, u] = t < 0.5 ? [stops[0], stops[1], 2 * t] : [stops[1], stops[2], 2 * t - 1];
    return round(channel(a, i) + u * (channel(b, i) - channel(a, i)));
  });
  const colours = new Uint32Array(256);
  const put = (i, [r, g, b]) => colours[i] = 0xff000000 | b << 16 | g << 8 | r;
  for (let q = -127; q <= 127; q++) put(q + 127, mix(q < 0 ? scheme.below : scheme.above, abs(q) / 127));
  put(255, [0, 1, 2].map(i => channel(scheme.nan, i)));
  return colours;
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");
let scheme, colours;
function useScheme() {
  scheme = SCHEMES[dark.matches ? "dark" : "light"];
  colours = tables(scheme);
}
useScheme();

function colourOf(x, range) {            // an index into the colours
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 255 : x > 0 ? 254 : 0;
  return round(127 * max(-1, min(1, x / range))) + 127;
}

function css(index) {
  const c = colours[index];
  return `rgb(${c & 255},${c >> 8 & 255},${c >> 16 & 255})`;
}

const source = new OffscreenCanvas(1, 1);

class Picture {
  // An array as tiles, one for each map or kernel; a vector is a row of tiles of one number. `at` is the number pointed at.
  constructor(array, label, width, height, onpick = null) {
    Object.assign(this, { array, label, onpick, at: null, marks: [] });
    const [A, B, H, W] = [1, 1, 1, 1, ...array.sizes].slice(-4);
    const vector = A * B * H === 1;
    Object.assign(this, { h: vector ? 1 : H, w: vector ? 1 : W, count: vector ? W : A * B });
    this.arrange(width, height, B);
    this.canvas = h("canvas", {
      tabindex: 0, role: "img", "aria-label": `${label}, shape ${shapeText(array.shape)}`,
      onmousemove: event => this.point(this.indexAt(event)), onmouseleave: () => this.point(null),
      onclick: event => onpick?.(this.indexAt(event)), onkeydown: event => this.key(event), onblur: () => this.point(null),
    });
    this.readout = h("span", { class: "readout", "aria-live": "polite" });
    this.element = h("figure", {}, this.canvas, h("figcaption", {}, this.readout));
    this.say();
    this.draw();
  }

  arrange(width, height, across) {       // as many columns of tiles as let them be largest
    const { h, w, count } = this;
    this.gap = count > 1 ? h * w === 1 ? 1 : 2 : 0;
    const scale = columns => min((width - this.gap * (columns - 1)) / (columns * w),
      (height - this.gap * (ceil(count / columns) - 1)) / (ceil(count / columns) * h));
    let best = 1;
    for (let columns = 2; columns <= count; columns++) if (scale(columns) > scale(best) + 1e-9) best = columns;
    if (across > 1 && across < count && scale(across) > 0.6 * scale(best)) best = across;
    this.columns = best;
    this.scale = max(min(scale(best), h * w * count === 1 ? 64 : 40), 0.5);
    if (this.scale > 2) this.scale = floor(this.scale);
    this.stepX = w * this.scale + this.gap;
    this.stepY = h * this.scale + this.gap;
    this.width = min(best, count) * this.stepX - this.gap;
    this.height = ceil(count / best) * this.stepY - this.gap;
  }

  corner(index) {                        // of a number's cell, in pixels
    const { h, w } = this, tile = floor(index / (h * w)), i = index % (h * w);
    return [(tile % this.columns) * this.stepX + i % w * this.scale,
      floor(tile / this.columns) * this.stepY + floor(i / w) * this.scale];
  }

  indexAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) * this.width / box.width, y = (event.clientY - box.top) * this.height / box.height;
    const column = floor(x / this.stepX), row = floor(y / this.stepY), tile = row * this.columns + column;
    const j = floor((x - column * this.stepX) / this.scale), i = floor((y - row * this.stepY) / this.scale);
    return tile < 0 || tile >= this.count || i < 0 || j < 0 || i >= this.h || j >= this.w ? null
      : (tile * this.h + i) * this.w + j;
  }

  indices(index) {                       // in the whole array
    const { starts, sizes } = this.array, found = [];
    for (let dim = sizes.length - 1; dim >= 0; dim--) {
      found.unshift(starts[dim] + index % sizes[dim]);
      index = floor(index / sizes[dim]);
    }
    return found;
  }

  indexOf(indices) {                     // the inverse; null for what is not shown
    const { starts, sizes } = this.array;
    let index = 0;
    for (const [dim, i] of indices.entries()) {
      if (i < starts[dim] || i >= starts[dim] + sizes[dim]) return null;
      index = index * sizes[dim] + i - starts[dim];
    }
    return index;
  }

  draw() {
    const { canvas, array, h, w } = this, ratio = window.devicePixelRatio;
    canvas.width = max(round(this.width * ratio), 1);
    canvas.height = max(round(this.height * ratio), 1);
    canvas.style.width = `${this.width}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.imageSmoothingEnabled = false;
    const cells = new ImageData(w, h * this.count), pixels = new Uint32Array(cells.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = colours[colourOf(array.numbers[i], array.range)];
    Object.assign(source, { width: w, height: h * this.count });
    source.getContext("2d").putImageData(cells, 0, 0);
    for (let tile = 0; tile < this.count; tile++) {
      const [x, y] = this.corner(tile * h * w);
      context.drawImage(source, 0, tile * h, w, h, x, y, w * this.scale, h * this.scale);
    }
    if (this.scale >= 30) this.write(context);
    context.lineWidth = 2;
    context.strokeStyle = scheme.ink;
    for (const [index, height, width] of this.marks) {
      const [x, y] = this.corner(index);
      context.strokeRect(x, y, width * this.scale, height * this.scale);
    }
  }

  write(context) {                       // the numbers, where cells are large enough
    context.textAlign = "center";
    context.textBaseline = "middle";
    const letters = this.count * this.h * this.w === 1 ? 14 : 10.5;
    context.font = `${letters}px system-ui, sans-serif`;
    this.array.numbers.forEach((x, index) => {
      const [left, top] = this.corner(index), colour = colourOf(x, this.array.range);
      context.fillStyle = inkOn(colour);
      context.fillText(brief(x), left + this.scale / 2, top + this.scale / 2, this.scale - 2);
    });
  }

  mark(marks) {                          // [index, rows, columns] of the cells to put a frame around
    this.marks = marks;
    this.draw();
  }

  point(index) {
    this.at = index;
    this.say();
    if (document.activeElement === this.canvas || this.pointed) this.draw();
    if (this.pointed = index !== null) {
      const [x, y] = this.corner(index), context = this.canvas.getContext("2d");
      context.lineWidth = 2;
      context.strokeStyle = scheme.ink;
      context.strokeRect(x, y, this.scale, this.scale);
    }
  }

  say() {
    const { array, at } = this;
    if (at !== null) {
      const where = this.indices(at);
      this.readout.textContent = `${where.length ? `[${where.join(", ")}] ` : ""}${array.exact ? "=" : "≈"} `
        + number(array.numbers[at], array.exact ? 4 : 2);
    } else this.readout.textContent = array.caption;
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.w, ArrowUp: -this.w }[event.key];
    if (step && !event.shiftKey) {
      const at = this.follow ? this.marks[0][0] + step : this.at === null ? 0 : this.at + step;
      if (at >= 0 && at < this.array.numbers.length) this.follow ? this.onpick(at) : this.point(at);
    } else if (event.key === "Enter" && this.at !== null && this.onpick) this.onpick(this.at);
    else if (event.key === "Escape") this.canvas.blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function inkOn(index) {
  const c = colours[index], light = 0.3 * (c & 255) + 0.59 * (c >> 8 & 255) + 0.11 * (c >> 16 & 255);
  return light > 140 ? "#111" : "#fff";
}

// ---- the map

class Chart {
  // Boxes for ops, lines for what they read; the gradient takes the same lines back.
  constructor(viewer) {
    this.viewer = viewer;
    this.element = h("aside", { class: "map", "aria-label": "map of the ops" });
    this.element.innerHTML = viewer.trace.map;
    this.elements = new Map();
    for (const element of this.element.querySelectorAll("[data-of]")) {
      const { of, leaf } = element.dataset;
      this.elements.set(of, element);
      if (leaf) this.elements.set(leaf, element);
      element.onclick = () => viewer.toNode(Number(leaf ?? of.split("/")[0]));
    }
  }

  // What has happened by each moment stays to be seen: [element's name, class].
  static trail({ kind, node, slot }) {
    return kind === "send" ? [`${node}/${slot}`, "has-gradient"] : [node, kind === "forward" ? "has-value" : "has-gradient"];
  }

  move(before, after) {
    const { moments } = this.viewer;
    this.show(this.elements.get(String(moments[after].node)));       // first, while the layout is known
    for (let i = before; i > after; i--) this.toggle(Chart.trail(moments[i]), false);
    for (let i = before + 1; i <= after; i++) this.toggle(Chart.trail(moments[i]), true);
    for (const name of this.lit ?? []) this.toggle(name, false);
    const { kind, node, slot } = moments[after];
    this.lit = [[node, "now"]];
    if (kind === "send") this.lit.push([`${node}/${slot}`, "lit"], [moments[after].target, "target"]);
    for (const name of this.lit) this.toggle(name, true);
  }

  toggle([name, what], on) {
    this.elements.get(String(name))?.classList.toggle(what, on);
  }

  show(box) {                            // not by what moves the whole page, too
    const rect = box?.querySelector("rect");
    if (!rect) return;
    const [x, y, width] = ["x", "y", "width"].map(name => rect[name].baseVal.value), { element } = this;
    const { scrollTop, scrollLeft } = element, [clientWidth, clientHeight] = this.size;
    if (y < scrollTop + 0.2 * clientHeight || y > scrollTop + 0.75 * clientHeight) element.scrollTop = y - clientHeight / 2;
    if (x < scrollLeft + 30 || x + width + 60 > scrollLeft + clientWidth) element.scrollLeft = x + width / 2 - clientWidth / 2;
  }
}

// ---- a pixel of a convolution

class Pixel {
  // What one number of the result of a convolution is made of, and where its gradient goes.
  constructor(viewer, id, state) {
    const [filters, perGroup, rows, columns, readRows, readColumns, how, arrays] = viewer.trace.windows[id];
    const [, [, [, channels, KH, KW]], , [, [, ...size]]] = arrays;
    [this.x, this.w, this.b, this.y, this.gy] = arrays.map(array => array && viewer.numbers.floats(...array));
    Object.assign(this, { viewer, filters, perGroup, rows, columns, readRows, readColumns, how, channels, KH, KW, size });
    this.read = [readRows[1] - readRows[0], readColumns[1] - readColumns[0]];
    const middle = floor(size[0] / 2) * size[1] + floor(size[1] / 2);
    this.state = Object.assign(state, { filter: 0, channel: 0, place: middle, ...state });
    this.element = h("section", { class: "card pixel", "aria-label": "one pixel of the convolution" });
  }

  get row() { return this.rows[0] + floor(this.state.place / this.size[1]); }
  get column() { return this.columns[0] + this.state.place % this.size[1]; }
  get corner() {                         // of the patch, in the image; there may be rows and columns above and left of it
    const [stride, padding] = this.how;
    return [this.row * stride[0] - padding[0], this.column * stride[1] - padding[1]];
  }

  of(numbers) { return numbers[this.state.filter * product(this.size) + this.state.place]; }

  kernel(channel) {
    const size = this.KH * this.KW;
    return this.w.subarray((this.state.filter * this.channels + channel) * size, (this.state.filter * this.channels + channel + 1) * size);
  }

  patch(channel) {                       // 0 outside of the image
    const [top, left] = this.corner, dilation = this.how[2], patch = new Float32Array(this.KH * this.KW);
    const c = floor(this.state.filter / this.perGroup) * this.channels + channel;
    for (let i = 0; i < this.KH; i++) {
      for (let j = 0; j < this.KW; j++) {
        const row = top + i * dilation[0] - this.readRows[0], column = left + j * dilation[1] - this.readColumns[0];
        if (row >= 0 && column >= 0 && row < this.read[0] && column < this.read[1]) {
          patch[i * this.KW + j] = this.x[(c * this.read[0] + row) * this.read[1] + column];
        }
      }
    }
    return patch;
  }

  sums() {                               // of the products, for each channel
    return Float64Array.from({ length: this.channels }, (_, channel) => {
      const patch = this.patch(channel), kernel = this.kernel(channel);
      return patch.reduce((sum, x, i) => sum + x * kernel[i], 0);
    });
  }

  // Is this pixel of the result shown here? Then look at it.
  pick([image, filter, row, column]) {
    const [i, j] = [row - this.rows[0], column - this.columns[0]];
    if (image || filter >= this.filters || i < 0 || j < 0 || i >= this.size[0] || j >= this.size[1]) return false;
    Object.assign(this.state, { filter, place: i * this.size[1] + j });
    return true;
  }

  render(backward) {
    const { state, KH, KW, channels, viewer } = this, { filter, channel } = state, all = product(this.size);
    const pick = name => index => { if (index !== null) { state[name] = index; viewer.again(); } };
    const matrix = (numbers, caption) => new Picture(plain(numbers, [KH, KW], caption), caption, 160, 160).element;
    const patch = this.patch(channel), kernel = this.kernel(channel), sums = this.sums(), sum = sums.reduce((a, b) => a + b, 0);
    const choose = (name, count) => h("label", {}, `${name} `, h("select", { "data-keep": name, onchange: event => pick(name)(+event.target.value) },
      Array.from({ length: count }, (_, i) => h("option", { value: i, selected: i === state[name] }, i))));
    const row = (...parts) => h("div", { class: "equation" }, parts.map(part => typeof part === "string" ? h("span", { class: "sign" }, part) : part));
    const output = (name, value) => h("output", { class: name, "data-value": value }, number(value));
    const map = new Picture(plain(this.y.subarray(filter * all, (filter + 1) * all), this.size, "click, or arrows: pick a pixel",
      [this.rows[0], this.columns[0]]), "pixels of the result to pick from", 160, 160, pick("place"));
    Object.assign(map, { follow: true }).mark([[state.place, 1, 1]]);
    Object.assign(map.canvas, { className: "picker" }).dataset.keep = "picker";
    const [top, left] = this.corner, dilation = this.how[2];
    const there = `channel ${channel}, rows ${top}…${top + (KH - 1) * dilation[0]}, columns ${left}…${left + (KW - 1) * dilation[1]}`;
    const parts = [h("h3", {}, `Pixel [0, ${filter}, ${this.row}, ${this.column}] of the result`,
      h("span", { class: "choose" }, choose("filter", this.filters), choose("channel", channels))),
    row(map.element, matrix(patch, `patch of x: ${there}`), "×", matrix(kernel, `kernel w[${filter}, ${channel}]`), "=",
      matrix(patch.map((x, i) => x * kernel[i]), "products"), "Σ", output("channel-sum", sums[channel]))];
    if (channels > 1) {
      const strip = new Picture(plain(Float32Array.from(sums), [channels], "what each channel comes to; click: look into it"),
        "sums of the channels", 600, 40, pick("channel"));
      strip.mark([[channel, 1, 1]]);
      parts.push(strip.element);
    }
    parts.push(h("p", {}, `All ${channels * KH * KW} products come to `, output("sum", sum),
      this.b ? [", with the bias ", output("bias", this.b[filter]), " to ", output("result", sum + this.b[filter])] : "",
      "; forward computed ", output("computed", this.of(this.y)), "."));
    if (backward && this.gy) {
      const gy = this.of(this.gy);
      parts.push(h("h3", {}, "Its gradient goes to what it was made of"), row("gy =", output("gy", gy), "× kernel =",
        matrix(kernel.map(w => w * gy), `added to the gradient of x: ${there}`), "gy × patch =",
        matrix(patch.map(x => x * gy), `added to the gradient of w[${filter}, ${channel}]`)));
    }
    this.element.replaceChildren(...parts);
    return this.element;
  }

  marks(picture, slot) {                 // the frames in the pictures of the result, and of the image it was computed from
    const { filter } = this.state, [top, left] = this.corner, dilation = this.how[2];
    if (slot === null) {
      const index = picture.indexOf([0, filter, this.row, this.column]);
      return index === null ? [] : [[index, 1, 1]];
    }
    const first = floor(filter / this.perGroup) * this.channels, { starts, sizes } = picture.array, found = [];
    const clip = (begin, size, dim) => [max(begin, starts[dim]), min(begin + size, starts[dim] + sizes[dim])];
    const [y0, y1] = clip(top, (this.KH - 1) * dilation[0] + 1, 2), [x0, x1] = clip(left, (this.KW - 1) * dilation[1] + 1, 3);
    for (let c = first; c < first + this.channels; c++) {
      const index = y0 < y1 && x0 < x1 ? picture.indexOf([0, c, y0, x0]) : null;
      if (index !== null) found.push([index, y1 - y0, x1 - x0]);
    }
    return found;
  }
}

// ---- the viewer

class Viewer {
  constructor(element, trace) {
    Object.assign(this, { trace, numbers: new Numbers(trace), at: 0, pixels: new Map(), made: new Map(), onmove: () => {} });
    this.moments = trace.moments.map(([kind, node, ...rest], i) => ({ i, ...MOMENT[kind](...rest), kind, node }));
    this.index();
    this.chart = new Chart(this);
    this.title = h("h2", { "aria-live": "polite" });
    this.page = h("section", { class: "moment", "aria-label": "the moment" });
    this.element = h("div", { class: "minidl", tabindex: 0 }, this.header(), ...this.banners(), this.chart.element, this.page, this.footer());
    element.append(this.element);
    this.shown = -1;
    dark.addEventListener("change", () => { useScheme(); this.again(); });
    new ResizeObserver(() => this.again()).observe(this.page);
  }

  index() {                              // where each node's moments are
    for (const name of ["forward", "enter", "sends", "ledgers", "expected"]) this[name] = new Map();
    for (const moment of this.moments) {
      const { kind, node, i } = moment;
      if (kind === "forward") this.forward.set(node, i);
      else if (kind === "enter" || kind === "leaf") this.enter.set(node, i);
      else if (kind === "send") {
        moment.target = this.trace.nodes[node][4][moment.slot][1];
        this.sends.set(`${node}/${moment.slot}`, i);
        this.ledgers.set(moment.target, [...this.ledgers.get(moment.target) ?? [], moment]);
      }
    }
    for (const [, , , , slots] of this.trace.nodes) {
      for (const [, source, , , wanted] of slots) if (wanted) this.expected.set(source, (this.expected.get(source) ?? 0) + 1);
    }
  }

  label(id) { return id < 0 ? this.trace.leaves[~id][0] : `${this.trace.nodes[id][0]} #${id}`; }

  // ---- moving

  go(at) {
    this.to = max(0, min(at, this.moments.length - 1));
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.at = this.to;
      const now = performance.now();
      this.hurry = now - this.last < 80;
      this.last = now;
      this.draw();
      this.onmove(this.at);
      clearTimeout(this.rest);
      if (this.hurry) this.rest = setTimeout(() => { this.hurry = false; this.draw(); }, 120);
    });
  }

  get target() { return this.pending ? this.to : this.at; }

  seek(condition, step) {
    for (let i = this.target + step; i >= 0 && i < this.moments.length; i += step) {
      if (condition(this.moments[i])) return this.go(i);
    }
  }

  nextNode(step) {
    const here = this.moments[this.target].node;
    this.seek(moment => moment.node !== here, step);
  }

  toNode(id) {                           // in the pass that we are in, or else in the other
    const passes = [this.forward, this.enter];
    if (this.moments[this.at].kind !== "forward") passes.reverse();
    this.go(passes[0].get(id) ?? passes[1].get(id) ?? this.at);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches?.("input[type=search], select")) return void (event.key === "Escape" && event.target.blur());
    const here = this.moments[this.target].node, of = moments => () => moments.has(here) && this.go(moments.get(here));
    const step = (one, node) => () => event.shiftKey ? this.nextNode(node) : this.go(this.target + one);
    const does = { ArrowRight: step(1, 1), ArrowDown: step(1, 1), ArrowLeft: step(-1, -1), ArrowUp: step(-1, -1),
      Home: () => this.go(0), End: () => this.go(Infinity), f: of(this.forward), b: of(this.enter),
      p: () => this.page.querySelector(".picker")?.focus(), "/": () => this.search.focus() }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  find(step) {
    const text = this.search.value.trim(), condition = text && this.condition(text);
    this.search.classList.toggle("none", Boolean(condition) && !this.moments.some(condition));
    if (condition) this.seek(condition, step);
  }

  condition(text) {                      // the words of minidl.trace.cursor
    const word = text.toLowerCase();
    const of = test => moment => moment.array !== null && test(this.numbers.get(moment.array), moment);
    if (word === "nan") return of(({ nans }) => nans > 0);
    if (word === "inf") return of(({ infs }) => infs > 0);
    if (word === "zero") return of(({ norm }, { kind }) => kind !== "forward" && norm === 0);
    if (/^[<>]/.test(word)) return of(({ norm }) => word[0] === ">" ? norm > Number(word.slice(1)) : norm < Number(word.slice(1)));
    if (/^#?[0-9]+$/.test(word)) return ({ node }) => node === Number(word.replace("#", ""));
    return ({ node }) => node < 0 ? this.label(node).toLowerCase() === word
      : this.trace.nodes[node][0].toLowerCase() === word || `${this.trace.nodes[node][2].toLowerCase()}.`.startsWith(`${word}.`);
  }

  // ---- what stands around the moment

  header() {
    this.search = h("input", { type: "search", placeholder: "/ op, module, nan, >3", "aria-label": "go to an op, a module, nan, inf, zero or a norm",
      onkeydown: event => { if (event.key === "Enter") this.find(event.shiftKey ? -1 : 1); } });
    this.slider = h("input", { type: "range", min: 0, max: max(this.moments.length - 1, 0), "aria-label": "moment",
      oninput: () => this.go(Number(this.slider.value)), onkeydown: event => event.preventDefault() });
    this.timeline = h("canvas", { "aria-hidden": "true" });
    this.count = h("span", { class: "count" });
    return h("header", {}, h("h1", {}, this.trace.title),
      h("nav", { "aria-label": "steps" }, [["|◀", "first moment (Home)", () => this.go(0)],
        ["◀◀", "previous op (Shift ←)", () => this.nextNode(-1)], ["◀", "previous moment (←)", () => this.go(this.target - 1)],
        ["▶", "next moment (→)", () => this.go(this.target + 1)], ["▶▶", "next op (Shift →)", () => this.nextNode(1)],
        ["▶|", "last moment (End)", () => this.go(Infinity)],
      ].map(([text, title, onclick]) => h("button", { type: "button", "aria-label": title, title, onclick }, text))),
      h("div", { class: "timeline" }, this.timeline, this.slider), this.count, this.search);
  }

  banners() {
    const { faults, error } = this.trace, banner = (title, ...text) => h("div", { class: "banner", role: "alert" }, h("b", {}, title), text);
    return [error && banner("The recording stops where this happened: ", error),
      faults.length && banner(`Invariants of a backward pass that are broken: ${faults.length}`, h("ul", {}, faults.slice(0, 20).map(
        ([rule, node, , text]) => h("li", {}, h("code", {}, rule), " ", this.link(node), `: ${text}`))))].filter(Boolean);
  }

  footer() {
    return h("footer", {}, h("p", { class: "keys" }, KEYS.map(([keys, does]) => h("span", {}, keys.split(" ").map(key => h("kbd", {}, key)), ` ${does}`))),
      h("p", { class: "note" }, this.trace.note));
  }

  drawTimeline() {                       // the norm of every moment's array, on a logarithmic scale
    const { timeline } = this, ratio = window.devicePixelRatio, width = timeline.clientWidth, height = timeline.clientHeight;
    if (!width) return;
    Object.assign(timeline, { width: width * ratio, height: height * ratio });
    const context = timeline.getContext("2d"), step = timeline.width / this.moments.length;
    for (const backward of [false, true]) {
      const bars = this.moments.filter(({ kind }) => (kind !== "forward") === backward)
        .map(({ i, array }) => [i, array === null ? NaN : Math.log10(this.norm(array))]);
      const logs = bars.map(bar => bar[1]).filter(Number.isFinite), least = min(...logs), range = max(...logs) - least;
      context.fillStyle = css(backward ? 210 : 44);
      for (const [i, x] of bars) {
        const height = timeline.height * (Number.isFinite(x) ? 0.15 + 0.85 * (x - least) / max(range, 0.5) : 0.06);
        context.fillRect(i * step, timeline.height, max(step - (step > 3), 1), -height);
      }
    }
  }

  norm(index) { return Number(this.trace.snapshots[index][1]); }

  // ---- the moment

  again() {
    this.made.clear();
    this.width = this.page.clientWidth;
    this.chart.size = [this.chart.element.clientWidth, this.chart.element.clientHeight];
    this.drawTimeline();
    this.draw();
  }

  draw() {
    const moment = this.moments[this.at];
    if (!moment) return void this.page.replaceChildren(h("p", {}, "Nothing was computed."));
    const moved = this.shown !== this.at, { keep } = document.activeElement?.dataset ?? {};
    if (moved) this.chart.move(this.shown, this.at);
    if (this.moments[this.shown]?.node !== moment.node) this.made.clear();
    this.shown = this.at;
    this.slider.value = this.at;
    const sentence = this.sentence(moment);
    this.slider.setAttribute("aria-valuetext", sentence.map(part => part.textContent ?? part).join(""));
    this.count.textContent = `${this.at + 1} / ${this.moments.length}`;
    const pass = moment.kind === "forward" ? "forward" : "backward";
    this.title.replaceChildren(h("span", { class: `pass ${pass}` }, pass), " ", ...sentence);
    sync(this.page, [this.title, ...(moment.node < 0 ? this.leaf(moment) : this.node(moment)).filter(Boolean)]);
    if (moved) this.page.querySelector(".cell.now")?.scrollIntoView({ block: "nearest" });
    if (keep) this.page.querySelector(`[data-keep=${keep}]`)?.focus({ preventScroll: true });
  }

  sentence(moment) {
    const { kind, node } = moment, of = this.expected.get(node) ?? 0;
    const does = {
      forward: () => this.trace.nodes[node][5] === null ? " fails" : " computes its result",
      seed: () => " is the result; the backward pass starts here",
      send: () => [" sends its contribution through ", h("var", {}, this.slotName(moment)), " to ", this.link(moment.target)],
    }[kind] ?? (() => ` has its gradient${of > 1 ? `, the sum of ${of} contributions` : ""}`);
    return [this.link(node), does()].flat();
  }

  slotName({ node, slot }) { return this.trace.nodes[node][4][slot][0]; }

  link(id) {
    return h("a", { href: "#", onclick: event => { event.preventDefault(); this.toNode(id); } }, this.label(id));
  }

  node(moment) {
    const id = moment.node, [kind, text, module, where, slots, value] = this.trace.nodes[id];
    const reached = at => at !== undefined && at <= this.at, enter = this.enter.get(id);
    const facts = () => h("p", { class: "facts" }, h("code", {}, text), module ? [" in ", h("code", {}, module)] : "", where ? [" · ", h("code", {}, where)] : "");
    this.pixel = null;
    if (this.trace.windows[id]) {
      if (!this.pixels.has(id)) this.pixels.set(id, {});
      this.pixel = new Pixel(this, id, this.pixels.get(id));
    }
    const rows = [this.row("y", "the result", value, reached(enter) ? this.moments[enter].array : this.moments[this.at].kind === "seed" ? moment.array : null,
      enter === undefined ? "" : "comes later", moment.kind === "send" ? "" : moment.kind, null, [])];
    slots.forEach(([name, source, array, words, wanted], slot) => {
      if (source === null && array === null && words === null) return;
      const at = this.sends.get(`${id}/${slot}`), send = reached(at) ? this.moments[at] : null;
      const from = source === null ? "a setting" : this.link(source);
      rows.push(this.row(name, from, array ?? words, send?.array ?? null, at !== undefined ? "comes later" : wanted ? "" : "none is wanted",
        moment.slot === slot ? "send" : "", slot, send ? this.story(send) : []));
    });
    return [this.memo("facts", facts), this.rule(id, moment), this.grid(rows), this.ledgerOf(moment),
      ...(this.hurry && !this.made.has("more") ? [] : this.more(id, moment))];
  }

  more(id, moment) {                     // what waits until somebody looks
    this.made.set("more", true);
    return [this.pixel && this.memo(`pixel ${moment.kind === "forward"}`, () => this.pixel.render(moment.kind !== "forward")),
      ...(this.trace.panels[id] ?? []).map(panel => this.memo(panel[0], () => this.panel(panel)))];
  }

  rule(id, { kind, slot }) {             // the line that is at work is lit
    const [op, , , , slots] = this.trace.nodes[id], line = kind === "forward" ? "y" : kind === "send" ? `g${slots[slot][0]}` : null;
    return this.memo(`rule ${line}`, () => h("div", { class: "rule" }, this.trace.rules[op].map(([text, mathml]) =>
      markup("div", { class: line && text.startsWith(line) ? "now" : "" }, mathml, text))));
  }

  panel([title, blocks]) {               // of minidl.trace.panel
    return h("details", { class: "card", open: "" }, h("summary", {}, title), blocks.map(([kind, ...about]) => {
      if (kind === "text") return h("p", {}, about[0]);
      if (kind === "formula") return about[0].map(([text, mathml]) => markup("div", { class: "rule" }, mathml, text));
      const [caption, rows, lit] = about;
      if (kind === "matrix") {
        const picture = new Picture(plain(Float32Array.from(rows.flat(), Number), [rows.length, rows[0].length], caption), caption, 520, 300);
        picture.mark(lit.map(([i, j]) => [i * picture.w + j, 1, 1]));
        return picture.element;
      }
      const cell = x => typeof x === "number" ? h("td", { class: "number" }, number(x)) : h("td", {}, x);
      return h("table", {}, h("tr", {}, caption.map(x => h("th", {}, x))), rows.map(row => h("tr", {}, row.map(cell))));
    }));
  }

  leaf(moment) {
    const [name, kind, value] = this.trace.leaves[~moment.node];
    return [h("p", { class: "facts" }, kind === "parameter" ? "A parameter: an optimizer will change it against this gradient." : "An input."),
      this.grid(this.row(name, kind, value, moment.array, "", "leaf", null, [])), this.ledgerOf(moment)];
  }

  grid(rows) {
    const grid = this.memo("grid", () => h("div", { class: "grid" })), head = text => this.memo(`head ${text}`, () => h("div", { class: "head" }, text));
    sync(grid, [...["", "value", "gradient"].map(head), ...rows.flat()]);
    return grid;
  }

  // A row of the table: what it is, its value, its gradient; the cell that the moment is about is lit.
  row(name, from, value, gradient, without, lit, slot, story) {
    const shape = typeof value === "number" ? shapeText(this.trace.snapshots[value][0]) : "";
    const cell = (what, now, make) => this.memo(`${name} ${what} ${now} ${make === none}`, () =>
      h("div", { class: `cell ${what} ${now ? "now" : ""}`, "data-of": `${name} ${what}` }, make()));
    const none = () => h("span", { class: "without" }, without);
    return [this.memo(name, () => h("div", { class: "name" }, h("var", {}, name), h("span", {}, from), h("code", {}, shape))),
      cell("value", lit === "forward", () => typeof value === "number" ? this.picture(value, `value of ${name}`, slot) : value ?? "not computed"),
      cell("gradient", Boolean(lit) && lit !== "forward", gradient === null ? none
        : () => [this.picture(gradient, `gradient of ${name}`, slot), story.map(text => h("p", { class: "story" }, text))])];
  }

  picture(index, label, slot) {
    const array = this.numbers.get(index);
    if (!array.numbers) return h("span", {}, array.caption ?? "the graph kept no numbers");
    const width = max(min((this.width - (this.width > 620 ? 190 : 30)) / 2 - 26, 520), 110);
    const pixel = this.pixel && (slot === null || slot === 0) ? this.pixel : null;
    const picture = new Picture(array, label, width, 100, pixel && slot === null
      ? at => { if (at !== null && pixel.pick(picture.indices(at))) this.again(); } : null);
    if (array.part) picture.element.append(h("code", { class: "part" }, array.part));
    if (pixel) picture.mark(pixel.marks(picture, slot));
    return picture.element;
  }

  memo(key, make) {                      // what is the same for all moments of an op
    if (!this.made.has(key)) this.made.set(key, make());
    return this.made.get(key);
  }

  story({ raw, summed, array, late }) {
    const shape = index => shapeText(this.trace.snapshots[index][0]), along = `dimension${summed.length > 1 ? "s" : ""} ${summed.join(", ")}`;
    return [...(summed.length ? [`${shape(raw)} from the rule; along ${along} it was broadcast, so that is summed: ${shape(array)}`] : []),
      ...(late ? ["late: the gradient there had been used already"] : [])];
  }

  // What has been sent to where the moment is about, and its sum.
  ledgerOf(moment) {
    if (moment.kind === "forward") return null;
    const id = moment.kind === "send" ? moment.target : moment.node;
    const entries = (this.ledgers.get(id) ?? []).filter(({ i }) => i <= this.at), of = this.expected.get(id) ?? 0;
    if (!entries.length) return null;
    if (of === 1) return moment.kind === "send" ? h("p", { class: "story" }, "Nothing else comes to ", this.link(id), ".") : null;
    const rows = entries.map(entry => h("tr", { class: entry === moment ? "now" : "" }, h("td", {}, this.link(entry.node)),
      h("td", {}, h("var", {}, this.slotName(entry))), h("td", { class: "bar" }, this.bar(entry.array, entries)), h("td", { class: "number" }, number(this.norm(entry.array)))));
    const total = entries.at(-1).total;
    return h("section", { class: "card ledger" }, h("h3", {}, "What has come to ", this.link(id), `: ${entries.length} of ${max(of, entries.length)}`),
      h("table", {}, h("thead", {}, h("tr", {}, ["from", "through", "", "norm"].map(text => h("th", {}, text)))), h("tbody", {}, rows,
        h("tr", { class: "total" }, h("td", {}, entries.length < of ? "so far" : "in all"), h("td", {}), h("td", { class: "bar" }, this.bar(total, entries)), h("td", { class: "number" }, number(this.norm(total)))))));
  }

  bar(index, entries) {
    const most = max(...entries.flatMap(({ array, total }) => [this.norm(array), this.norm(total)]).filter(Number.isFinite), 1e-300);
    const width = min(100 * this.norm(index) / most, 100) || 0;
    return h("i", { style: `width:${width.toFixed(1)}%` });
  }
}

const MOMENT = {                         // what each kind of moment has; `array` is what it is about
  forward: array => ({ array }), seed: array => ({ array }), enter: array => ({ array }), leaf: array => ({ array }),
  send: (slot, raw, summed, array, total, late) => ({ slot, raw, summed, array, total, late }),
};

async function show(element, letters, keyboard) {
  const viewer = new Viewer(element, await unpack(letters));
  viewer.again();
  keyboard.addEventListener("keydown", event => viewer.key(event));
  return viewer;
}

// A notebook's widget, for anywidget.
export default {
  async render({ model, el }) {
    const viewer = await show(el, model.get("trace"), el);
    viewer.onmove = at => { model.set("at", at); model.save_changes(); };
    model.on("change:at", () => viewer.go(model.get("at")));
    viewer.go(model.get("at"));
  },
};

// A page that has a trace in it. The address may say where to begin: page.html#120
const data = document.getElementById("minidl-trace");
if (data) {
  const begin = viewer => viewer.go(Number(location.hash.slice(1)) - 1);
  show(document.body, data.textContent, document).then(viewer => {
    begin(viewer);
    window.addEventListener("hashchange", () => begin(viewer));
  });
}
