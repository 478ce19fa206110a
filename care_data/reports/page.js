"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const radios = { en: by("lang-en"), zh: by("lang-zh") };
  const asked = location.hash.slice(1);
  const first = asked in radios ? asked : (navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en";
  const choose = (language) => { radios[language].checked = true; document.documentElement.lang = language; };
  for (const language of Object.keys(radios)) radios[language].addEventListener("change", () => choose(language));
  choose(first);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));

  const { outputs, names, records } = JSON.parse(by("sample").textContent);
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const folded = records.map(([, id, fields]) => fold([id, ...fields.map((field) => field[1])].join("\n")));
  const query = by("query"), output = by("output"), results = by("results"), most = 50;
  by("needs-script").remove();

  const element = (tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const both = ([english, chinese]) => ["en", "zh"].map((language) => {
    const word = element("span", language === "en" ? english : chinese, language);
    word.lang = language;
    return word;
  });
  const marked = (text, words) => {
    const shown = element("span", undefined, "text"), low = text.toLowerCase();
    shown.dir = "auto";
    if (low.length !== text.length) { shown.textContent = text; return shown; }
    let at = 0;
    while (at < text.length) {
      let next = -1, size = 0;
      for (const word of words) {
        const place = low.indexOf(word, at);
        if (place >= 0 && (next < 0 || place < next)) { next = place; size = word.length; }
      }
      if (next < 0) break;
      shown.append(text.slice(at, next), element("mark", text.slice(next, next + size)));
      at = next + size;
    }
    shown.append(text.slice(at));
    return shown;
  };
  const show = ([number, id, fields], words) => {
    const item = element("article"), list = element("dl");
    const head = element("p", undefined, "id");
    head.append(element("code", id || outputs[number]));
    for (const [name, text, size] of fields) {
      const label = element("dt"), value = element("dd");
      label.append(...(names[name] ? both(names[name]) : [name]));
      value.append(marked(text, words));
      if (size) value.append(element("span", ` … (${size.toLocaleString("en")})`, "note"));
      list.append(label, value);
    }
    item.append(head, list);
    return item;
  };
  const search = () => {
    const words = fold(query.value).split(/\s+/).filter(Boolean);
    const found = [];
    records.forEach((record, at) => {
      if (output.value !== "" && record[0] !== Number(output.value)) return;
      if (words.every((word) => folded[at].includes(word))) found.push(record);
    });
    by("matches").textContent = found.length.toLocaleString("en");
    by("first").hidden = found.length <= most;
    results.replaceChildren(...found.slice(0, most).map((record) => show(record, words)));
  };
  let waiting;
  query.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 80); });
  output.addEventListener("change", search);
  search();
})();
