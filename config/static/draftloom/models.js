/** Choosing a language model. */

import { call } from "./api.js";
import { h } from "./dom.js";

/** Fills a `<select>` with the models that can be used here, the default of `task` chosen. */
export async function offerModels(select, task) {
  const [{ providers }, { current_default: standard }] = await Promise.all([
    call("GET", "/api/llm-defaults/providers"),
    call("GET", `/api/llm-defaults/${task}`),
  ]);
  const groups = Object.entries(providers).map(([name, models]) => group(name, models.filter((model) => model.configured)));
  select.replaceChildren(...groups.filter((each) => each.children.length));
  select.value = value(standard.llm_provider, standard.llm_model);
}

/** The choice as the fields that requests name it by. */
export const chosenModel = (select) => JSON.parse(select.value);

const value = (llm_provider, llm_model) => JSON.stringify({ llm_provider, llm_model });

function group(label, models) {
  const options = models.map((model) => h("option", { value: value(model.provider, model.id), textContent: model.label }));
  return h("optgroup", { label }, ...options);
}
