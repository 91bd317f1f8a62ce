// What the types must refuse: each line below would be a mistake, and compiling fails if one is let through.
import { Draftloom, type ImportEvent, told } from "./example.js";

export function mistakes(client: Draftloom): unknown[] {
  return [
    // @ts-expect-error The draft's description is missing.
    client.saveDraft(42, { title: "Notes" }, "etag"),
    // @ts-expect-error It does not say which draft it changes.
    client.saveDraft(42, { title: "Notes", description: "Offline." }),
    // @ts-expect-error Ids are numbers.
    client.draft("42"),
    // @ts-expect-error There is no such way to resolve a duplicate.
    client.importText({ text: "User: Hi", duplicate_resolution: "overwrite" }),
    // @ts-expect-error The model is missing.
    client.say(42, { message: "Shorter, please." }),
    // @ts-expect-error No import tells such an event.
    told({ type: "tool_call", name: "update_project_draft", arguments: {}, status: "started", detail: "" }),
    // @ts-expect-error `total` is missing.
    told({ type: "progress", phase: "importing", current: 1 }),
    // @ts-expect-error A draft without a version has null there.
    client.draft(42).then((draft) => draft.value.active_version.title),
    // @ts-expect-error An answer has no such member.
    client.conversations().then((found) => found[0]?.name),
  ];
}

export function forgetful(event: ImportEvent): string {
  switch (event.type) {
    case "done":
      return event.conversation.title;
    case "error":
      return event.message;
    default: {
      // @ts-expect-error There are other events, such as `progress`.
      const unknown: never = event;
      return unknown;
    }
  }
}
