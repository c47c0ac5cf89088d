// The flame graph: callers below, called functions above them, as wide as their share. A click makes a function the whole.

const measures = [
  ['live', 'live at the end', bytes, 'live'], ['peak', 'at the peak', bytes, 'peak'], ['bytes', 'asked for', bytes, 'bytes'],
  ['calls', 'calls', count, 'calls'], ...(hasFrames ? [['temporary', 'made and freed in one frame', bytes, 'temporary_bytes']] : []),
];

// What each node has with those above it, and its children; made once for each measure.
const sums = new Map();
function sumsOf(key) {
  if (!sums.has(key)) {
    const { nodes } = data.tree;
    const all = new Float64Array(nodes.length / 2);
    data.sites.node.forEach((node, site) => { all[node] += data.sites[key][site]; });
    // Callers come before those that they call.
    for (let node = all.length - 1; node > 0; node -= 1) all[nodes[2 * node]] += all[node];
    sums.set(key, all);
  }
  return sums.get(key);
}

let childLists = null;
function childrenOf(node) {
  if (!childLists) {
    const { nodes } = data.tree;
    childLists = new Map();
    for (let at = 1; at < nodes.length / 2; at += 1) {
      const caller = nodes[2 * at];
      if (!childLists.has(caller)) childLists.set(caller, []);
      childLists.get(caller).push(at);
    }
  }
  return childLists.get(node) || [];
}

// Functions of a crate, or of a library, have the same colour everywhere; half of them are paler.
function shade(name) {
  const hash = (text) => {
    let sum = 7;
    for (const letter of text) sum = (sum * 31 + letter.codePointAt(0)) | 0;
    return Math.abs(sum);
  };
  const crate = name.split(/::|\+0x/)[0].replace(/^[<&*]+/, '');
  return `s${hash(crate) % 8}${hash(name) % 2 ? ' pale' : ''}`;
}

view('flame', 'Flame graph', 'Who asked, by call stack. Callers are below; a click, or Enter, makes a function the whole.', (section) => {
  const [HEIGHT, MOST_DEPTH, NARROWEST] = [19, 80, 0.0012];
  let [measure, root, wanted] = [measures[0], 0, ''];
  const buttons = choice('Measure', measures.map(([id, name]) => [id, name]), measure[0], (id) => go(`flame/${id}/${root}`));
  const search = element('input', {
    type: 'search', id: 'flame-search', placeholder: 'mark functions', 'aria-label': 'Mark functions by name',
    input: () => { wanted = search.value.trim().toLowerCase(); draw(); },
  });
  const found = element('span', { class: 'hint', id: 'flame-found' });
  const path = element('p', { class: 'path', id: 'flame-path' });
  const readout = element('p', { class: 'readout', id: 'flame-readout', 'aria-live': 'polite' }, '\u00a0');
  const holder = element('div', { class: 'flame' });
  const self = element('div');
  section.append(card('Call stacks', element('div', { class: 'tools' }, buttons, search, found), path, holder, readout,
    note('Widths are shares of what is chosen above. What is narrower than a thousandth is left out of the picture, not of the sums.')), self);

  const address = (node) => `flame/${measure[0]}/${node}`;

  function describe(node) {
    const all = sumsOf(measure[3]);
    if (node === 0) return `all: ${measure[2](all[0])}`;
    const frame = frameOf(node);
    return `${frame.name}${frame.place ? ` (${frame.place})` : ''}: ${measure[2](all[node])} ${measure[1]}, ${percent(all[node], all[0])} of all`;
  }

  function draw() {
    const all = sumsOf(measure[3]);
    const boxes = [];
    let deepest = 0;
    let marked = 0;
    // In breadth: [node, left, depth, whether a caller is marked]; those that called the root are told above.
    const queue = [[root, 0, 0, false]];
    for (let at = 0; at < queue.length; at += 1) {
      const [node, left, depth, inside] = queue[at];
      const width = all[root] > 0 ? all[node] / all[root] : 0;
      if (width < NARROWEST || depth > MOST_DEPTH) continue;
      deepest = Math.max(deepest, depth);
      const name = node === 0 ? 'all' : frameOf(node).name;
      const hit = wanted !== '' && node !== 0 && name.toLowerCase().includes(wanted);
      if (hit && !inside) marked += all[node];
      boxes.push({ node, left, depth, width, name, hit });
      let next = left;
      const children = [...childrenOf(node)].sort((a, b) => all[b] - all[a]);
      for (const child of children) {
        queue.push([child, next, depth + 1, inside || hit]);
        next += all[root] > 0 ? all[child] / all[root] : 0;
      }
    }
    found.textContent = wanted === '' ? '' : `${measure[2](marked)}, ${percent(marked, all[root])} of what is shown`;
    const height = (deepest + 1) * HEIGHT + 2;
    const box = ({ node, left, depth, width, name, hit }) => {
      const [x, w, y] = [left * WIDTH, width * WIDTH, height - (depth + 1) * HEIGHT];
      const room = Math.floor((w - 6) / 6.6);
      const text = room < 3 ? '' : (name.length > room ? `${name.slice(0, room - 1)}…` : name);
      const open = () => go(address(node));
      const tell = () => { readout.textContent = describe(node); };
      return drawn('g', {
        class: `box ${node === 0 ? 'all' : shade(name)}${hit ? ' hit' : ''}`, 'data-node': node, role: 'button', tabindex: w > 12 ? 0 : -1, 'aria-label': describe(node),
        click: open, mouseenter: tell, focus: tell,
        keydown: (event) => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); open(); } },
      }, drawn('rect', { class: 'mark', x: x.toFixed(2), y, width: Math.max(0.5, w - 0.6).toFixed(2), height: HEIGHT - 1, rx: 1.5 }),
      text ? drawn('text', { x: (x + 4).toFixed(2), y: y + 13 }, text) : null);
    };
    const empty = element('p', { class: 'none' }, 'No call stack has any of it.');
    const picture = drawn('svg', {
      'data-chart': 'flame', viewBox: `0 0 ${WIDTH} ${height}`, role: 'group', 'aria-label': `Flame graph of ${measure[1]}`, class: 'chart',
    }, boxes.map(box));
    const focused = holder.contains(document.activeElement);
    holder.replaceChildren(all[root] > 0 ? picture : empty);
    // Who goes through the picture with the keyboard goes on from where they are.
    if (focused) (holder.querySelector(`[data-node="${root}"]`) || holder).focus();
    const steps = [];
    for (let node = root; node !== 0; node = data.tree.nodes[2 * node]) steps.unshift(node);
    path.replaceChildren(element('a', { href: `#${address(0)}`, id: 'flame-all' }, 'all'), ...steps.flatMap((node) => [' › ', element('a', { href: `#${address(node)}` }, frameOf(node).name)]));
    readout.textContent = describe(root);
    // The call stacks within the root, as a table.
    const within = [];
    data.sites.node.forEach((node, site) => {
      let at = node;
      while (at !== root && at !== 0) at = data.tree.nodes[2 * at];
      if (at === root && data.sites[measure[3]][site] > 0) within.push({ site, value: data.sites[measure[3]][site] });
    });
    self.replaceChildren(card(root === 0 ? 'Call stacks with most of it' : `Call stacks through ${frameOf(root).name}`, table({
      name: 'flame-sites', rows: within, sorted: 1, piece: 15,
      columns: [columnOf.site(), { name: measure[1], of: (row) => row.value, show: measure[2], bar: (row) => row.value / all[0] }],
    })));
  }

  return (rest) => {
    const [id, node] = (rest || '').split('/');
    measure = measures.find((one) => one[0] === id) || measures[0];
    const number = Number(node || 0);
    root = Number.isInteger(number) && number >= 0 && number < data.tree.nodes.length / 2 ? number : 0;
    buttons.press(measure[0]);
    draw();
  };
});
