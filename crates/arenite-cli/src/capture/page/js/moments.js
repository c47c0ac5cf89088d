// What lived at one moment and not at another one: from the beginning to the end these are the leaks.

// By site, what each moment that is kept had: the data tells changes only.
let heldLists = null;
function heldAt(moment) {
  if (!heldLists) {
    const now = new Map();
    heldLists = data.moments.map((one) => {
      for (let at = 0; at < one.sites.length; at += 3) {
        if (one.sites[at + 1] === 0 && one.sites[at + 2] === 0) now.delete(one.sites[at]);
        else now.set(one.sites[at], [one.sites[at + 1], one.sites[at + 2]]);
      }
      return new Map(now);
    });
  }
  return heldLists[moment];
}

function momentName(moment) {
  const { kind, text, frame } = data.moments[moment];
  const names = { beginning: 'the beginning', peak: 'the peak', end: 'the end', mark: `“${text}”`, time: 'in between' };
  const name = kind === 'frame' ? `frame ${count(frame)} begins` : names[kind];
  return `${name} · ${seconds(data.moments[moment].seconds)} · ${bytes(data.moments[moment].bytes)}`;
}

view('moments', 'Two moments', 'What lived at the second moment and not at the first one. From the beginning to the end: what was never given back.', (section) => {
  const end = data.moments.length - 1;
  let [from, to] = [0, end];
  const select = (id, label) => element('select', { id, 'aria-label': label, change: () => go(`moments/${fromField.value}/${toField.value}`) },
    data.moments.map((_, moment) => element('option', { value: moment }, momentName(moment))));
  const fromField = select('moment-from', 'From');
  const toField = select('moment-to', 'To');
  const turn = () => go(`moments/${to}/${from}`);
  const result = element('div');
  section.append(card('Compare', element('div', { class: 'tools' },
    element('label', {}, 'from ', fromField), element('label', {}, 'to ', toField),
    element('button', { type: 'button', id: 'moments-turn', click: turn }, 'Turn round'),
    element('a', { href: '#moments', id: 'moments-leaks' }, 'beginning to end')),
  note(`${counted(data.moments.length, 'moment is', 'moments are')} kept: the beginning, marks, what is evenly spaced between them, the peak and the end.`)), result);

  function draw() {
    const [before, after] = [heldAt(from), heldAt(to)];
    const changes = [];
    for (const site of new Set([...before.keys(), ...after.keys()])) {
      const [a, b] = [before.get(site) || [0, 0], after.get(site) || [0, 0]];
      if (a[0] !== b[0] || a[1] !== b[1]) changes.push({ site, before: a[1], after: b[1], bytes: b[1] - a[1], blocks: b[0] - a[0] });
    }
    const grew = changes.filter((change) => change.bytes > 0 || (change.bytes === 0 && change.blocks > 0));
    const shrank = changes.filter((change) => change.bytes < 0 || (change.bytes === 0 && change.blocks < 0));
    const [first, second] = [data.moments[from], data.moments[to]];
    const change = second.bytes - first.bytes;
    const most = largest(changes.map((one) => Math.abs(one.bytes)));
    const columns = [
      columnOf.site(),
      { name: 'change', of: (row) => row.bytes, show: (value) => signed(value, bytes), bar: (row) => (most ? Math.abs(row.bytes) / most : 0) },
      { name: 'blocks', of: (row) => row.blocks, show: (value) => signed(value, count) },
      columnOf.bytes('before', 'before'), columnOf.bytes('after', 'after'),
      { name: 'tag', of: (row) => siteTag(row.site), first: true },
    ];
    const tags = new Map();
    for (const [moment, key] of [[first, 'before'], [second, 'after']]) {
      for (const [tag, blocks, size] of moment.tags) {
        if (!tags.has(tag)) tags.set(tag, { tag: data.tag_names[tag], before: [0, 0], after: [0, 0] });
        tags.get(tag)[key] = [blocks, size];
      }
    }
    const tagRows = [...tags.values()].map((row) => ({ tag: row.tag, before: row.before[1], after: row.after[1], bytes: row.after[1] - row.before[1], blocks: row.after[0] - row.before[0] }))
      .filter((row) => row.bytes !== 0 || row.blocks !== 0);
    result.replaceChildren(
      element('p', { class: 'facts', id: 'moment-change', 'data-value': change },
        `${signed(change, bytes)} in ${signed(second.blocks - first.blocks, count)} blocks: from ${bytes(first.bytes)} to ${bytes(second.bytes)}.`),
      card(`Grew: ${counted(grew.length, 'call site', 'call sites')}`, table({ name: 'grew', rows: grew, sorted: 1, columns, empty: 'None did.' })),
      card('By tag, tags below not included', table({
        name: 'tag-changes', rows: tagRows, sorted: 1, empty: 'No tag changed.',
        columns: [columnOf.text('tag', 'tag'), ...columns.slice(1, 5)],
      })),
      card(`Shrank: ${counted(shrank.length, 'call site', 'call sites')}`, table({ name: 'shrank', rows: [...shrank].sort((a, b) => a.bytes - b.bytes), columns, empty: 'None did.' })));
  }

  return (rest) => {
    const places = (rest || '').split('/').map(Number);
    const valid = (place) => Number.isInteger(place) && place >= 0 && place <= end;
    [from, to] = rest && places.length === 2 && places.every(valid) ? places : [0, end];
    fromField.value = from;
    toField.value = to;
    draw();
  };
});
