// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import type { Delivery, DeliveryStatus, Vehicle } from "../src/api";
import { deliveriesTable, vehiclesTable, words, type Actions, type Fleet } from "../src/view";

const van: Vehicle = { id: 1, plate: "B 1", kind: "van", capacity_kg: 900, status: "active" };
const bicycle: Vehicle = { id: 2, plate: "B 2", kind: "bicycle", capacity_kg: 80, status: "active" };

function delivery(changes: Partial<Delivery>): Delivery {
  return {
    id: 7,
    recipient: "Ali",
    pickup: "Hamra 1",
    dropoff: "Verdun 2",
    weight_kg: 100,
    status: "created",
    next: ["assigned", "cancelled"],
    note: null,
    assignment: null,
    ...changes,
  };
}

function shown(changes: Partial<Delivery>) {
  const done: unknown[][] = [];
  const actions: Actions = {
    assign: (of, courierId, vehicleId) => done.push(["assign", of.id, courierId, vehicleId]),
    change: (of, status) => done.push(["change", of.id, status]),
  };
  const fleet: Fleet = {
    vehicles: [van, bicycle],
    couriers: [{ id: 3, name: "Rana", status: "on_duty" }],
    deliveries: [delivery(changes)],
  };
  const table = deliveriesTable(fleet, actions);
  document.body.replaceChildren(table);
  return { table, done };
}

describe("deliveries", () => {
  it("assigns to a vehicle that is large enough", () => {
    const { table, done } = shown({});
    const choices = [...table.querySelectorAll("[aria-label^='Vehicle for'] option")].map((each) => each.textContent);
    expect(choices).toEqual(["B 1"]);
    table.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
    expect(done).toEqual([["assign", 7, 3, 1]]);
  });

  it.each<[DeliveryStatus, DeliveryStatus[], string[]]>([
    ["created", ["assigned", "cancelled"], ["Assign", "Cancel"]],
    ["assigned", ["picked_up", "cancelled", "failed"], ["Picked up", "Cancel", "Failed"]],
    ["delivered", [], []],
  ])("offers what the server allows for %s", (status, next, expected) => {
    const { table } = shown({ status, next });
    expect([...table.querySelectorAll("button")].map((button) => button.textContent)).toEqual(expected);
  });

  it("changes the status", () => {
    const { table, done } = shown({ status: "picked_up", next: ["delivered", "failed"] });
    table.querySelector("button")?.click();
    expect(done).toEqual([["change", 7, "delivered"]]);
  });

  it("names who carries it and why it failed", () => {
    const assignment = { id: 1, courier_id: 3, vehicle_id: 99 };
    const { table } = shown({ status: "failed", next: [], note: "nobody at home", assignment });
    expect(table.textContent).toContain("failed: nobody at home");
    expect(table.textContent).toContain("Rana, vehicle 99");
  });

  it("never takes a text for markup", () => {
    const { table } = shown({ recipient: "<img src=x>" });
    expect(table.querySelector("img")).toBeNull();
    expect(table.textContent).toContain("<img src=x>");
  });
});

describe("vehicles", () => {
  it("are listed with their heads", () => {
    const table = vehiclesTable([van, bicycle]);
    expect([...table.querySelectorAll("th[scope=row]")].map((head) => head.textContent)).toEqual(["B 1", "B 2"]);
    expect(table.getAttribute("aria-label")).toBe("Vehicles, the newest first");
  });

  it("may be none", () => {
    expect(vehiclesTable([]).textContent).toBe("There are no vehicles yet.");
  });
});

it("words are for people", () => {
  expect(words("picked_up")).toBe("picked up");
});
