// What every view is drawn from: the data, elements, and figures as people read them. A text of the recording becomes a text node or
// an attribute, never markup.

const data = JSON.parse(document.getElementById('data').textContent);

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  return fill(made, attributes, children);
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  return fill(made, attributes, children);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') made.addEventListener(key, value);
    else made.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

// A chart: a picture with a name for those who do not see it.
function chart(name, width, height, label, ...children) {
  return drawn('svg', {
    'data-chart': name, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label, class: 'chart',
  }, children);
}

// Three digits, without zeros that say nothing after the point.
function significant(value) {
  const size = Math.abs(value);
  if (size < 9.995) return trimmed(value.toFixed(2));
  if (size < 99.95) return trimmed(value.toFixed(1));
  return size < 1e6 ? value.toFixed(0) : value.toExponential(1);
}

function trimmed(text) {
  return text.replace(/0+$/, '').replace(/\.$/, '');
}

function bytes(size) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let unit = 0;
  let value = size;
  while (unit + 1 < units.length && Math.abs(value) >= 1024) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${significant(value)} ${units[unit]}`;
}

function count(number) {
  const digits = String(Math.abs(number)).replace(/\B(?=(\d{3})+$)/g, ',');
  return number < 0 ? `−${digits}` : digits;
}

// A figure of a sample has how far it may be from the truth beside it.
const isSample = data.sample_bytes > 0;

function ranged(size, within) {
  return isSample ? `${bytes(size)} ± ${bytes(within)}` : bytes(size);
}

function rangedCount(number, within) {
  return isSample ? `${count(number)} ± ${count(within)}` : count(number);
}

// For an axis, where there is little room.
function brief(number) {
  return number < 1e7 ? count(number) : `${significant(number / 1e6)} M`;
}

function counted(number, one, many) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

function seconds(value) {
  const ms = value * 1e3;
  if (ms === 0) return '0 ms';
  const size = Math.abs(ms);
  if (size < 0.0009995) return `${significant(ms * 1e6)} ns`;
  if (size < 0.9995) return `${significant(ms * 1e3)} µs`;
  if (size < 999.5) return `${significant(ms)} ms`;
  return `${significant(ms / 1e3)} s`;
}

// A change with its sign.
function signed(change, shown) {
  return change === 0 ? '0' : `${change > 0 ? '+' : '−'}${shown(Math.abs(change))}`;
}

function percent(part, all) {
  if (!all) return '–';
  const share = 100 * part / all;
  return part > 0 && share < 0.1 ? '<0.1 %' : `${share < 9.95 ? share.toFixed(1) : share.toFixed(0)} %`;
}

// The largest of a list: too long to be the arguments of a call.
function largest(list) {
  return list.reduce((most, value) => Math.max(most, value), 0);
}

const last = data.rows.start.length - 1;
const hasFrames = !data.frames.slices;

// What a row of the timeline is called.
function rowName(rows, row) {
  const kind = rows.kind[row];
  if (kind === 0) return 'before the first frame';
  if (kind === 2) return `frame ${count(rows.number[row])}, the last one`;
  if (kind === 3) return `${seconds(rows.start[row])} to ${seconds(rows.end[row])}`;
  const first = rows.number[row];
  return rows.frames[row] > 1 ? `frames ${count(first)} to ${count(first + rows.frames[row] - 1)}` : `frame ${count(first)}`;
}

// Colours of tags by their places: the first eight have one of their own.
function tagColour(tag) {
  return tag >= 1 && tag <= 8 ? `s${tag - 1}` : 'other';
}

// Names of functions, innermost first, with their places in the source.
function stackOf(node) {
  const frames = [];
  const { nodes } = data.tree;
  for (let at = node; at !== 0; at = nodes[2 * at]) frames.push(frameOf(at));
  return frames;
}

function frameOf(node) {
  const frame = data.tree.nodes[2 * node + 1];
  const { frames, texts } = data.tree;
  return { name: texts[frames[2 * frame]], place: texts[frames[2 * frame + 1]] };
}

// The sites that are no call stack of their own share site 0.
function siteName(site) {
  const node = data.sites.node[site];
  if (node === 0) return { name: `(${counted(data.sites_merged, 'other call stack', 'other call stacks')})`, place: '' };
  return frameOf(node);
}

// The tag under which it asked for most.
function siteTag(site) {
  const tag = data.sites.tag[site];
  if (tag < 0) return '–';
  return data.sites.mixed[site] ? `${data.tag_names[tag]}, others` : data.tag_names[tag];
}

// How far a figure of a call site may be from the truth; none if it is no sample.
function within(key, site) {
  return isSample ? data.sites[`${key}_within`][site] : undefined;
}

// A cell that tells a call site, and shows its callers when asked.
function siteCell(site) {
  const { name, place } = siteName(site);
  const callers = stackOf(data.sites.node[site]).slice(1);
  const caller = callers.find((frame) => frame.name !== name);
  const line = [element('b', {}, name), place ? element('small', {}, place) : null,
    caller ? element('small', { class: 'caller', title: 'its caller' }, `← ${caller.name}`) : null];
  if (callers.length === 0) return element('td', { class: 'site' }, element('span', {}, line));
  const details = element('details', {
    toggle: () => {
      // Made when it is looked at: most never are.
      if (details.open && details.children.length === 1) {
        const item = (frame) => element('li', {}, frame.name, ' ', frame.place ? element('small', {}, frame.place) : null);
        details.append(element('ol', {}, callers.map(item)));
      }
    },
  }, element('summary', {}, line));
  return element('td', { class: 'site' }, details);
}

// All text in which a site is searched.
const searchTexts = new Map();
function siteText(site) {
  if (!searchTexts.has(site)) {
    const frames = stackOf(data.sites.node[site]).map((frame) => `${frame.name} ${frame.place}`);
    searchTexts.set(site, [siteTag(site), siteName(site).name, ...frames].join('\n').toLowerCase());
  }
  return searchTexts.get(site);
}

// Views: each is drawn when it is first looked at. `show` gets what follows the view's name in the address.
const views = [];
function view(id, title, hint, draw) {
  views.push({ id, title, hint, draw, section: null, show: null });
}

function card(title, ...children) {
  return element('section', { class: 'card' }, element('h2', {}, title), children);
}

function note(text) {
  return element('p', { class: 'hint' }, text);
}

function go(address) {
  location.hash = `#${address}`;
}
