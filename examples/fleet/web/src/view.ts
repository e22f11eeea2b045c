// The tables, made anew from what the server said. What a button does is told by the caller. Knows no server.

import type { Courier, Delivery, DeliveryStatus, Vehicle } from "./api";
import { element } from "./element";

export interface Actions {
  assign(delivery: Delivery, courierId: number, vehicleId: number): void;
  change(delivery: Delivery, status: DeliveryStatus): void;
}

export interface Fleet {
  vehicles: Vehicle[];
  couriers: Courier[];
  deliveries: Delivery[];
}

const VERBS: Record<DeliveryStatus, string> = {
  created: "Create",
  assigned: "Assign",
  picked_up: "Picked up",
  delivered: "Delivered",
  cancelled: "Cancel",
  failed: "Failed",
};

/** A word of the API for people: `picked_up` is "picked up". */
export function words(text: string): string {
  return text.replaceAll("_", " ");
}

export function vehiclesTable(vehicles: Vehicle[]): HTMLElement {
  if (vehicles.length === 0) {
    return element("p", { class: "quiet" }, "There are no vehicles yet.");
  }
  const rows = vehicles.map((vehicle) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, vehicle.plate),
      element("td", {}, vehicle.kind),
      element("td", { class: "number" }, `${vehicle.capacity_kg} kg`),
      element("td", { class: `status-${vehicle.status}` }, vehicle.status),
    ),
  );
  return table("Vehicles, the newest first", ["Plate", "Kind", "Capacity", "Status"], rows);
}

export function deliveriesTable(fleet: Fleet, actions: Actions): HTMLElement {
  if (fleet.deliveries.length === 0) {
    return element("p", { class: "quiet" }, "There are no deliveries yet.");
  }
  const rows = fleet.deliveries.map((delivery) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, `#${delivery.id}`),
      element("td", {}, delivery.recipient),
      element("td", {}, `${delivery.pickup} → ${delivery.dropoff}`),
      element("td", { class: "number" }, `${delivery.weight_kg} kg`),
      element("td", { class: `status-${delivery.status}` }, statusText(delivery)),
      element("td", {}, carrier(delivery, fleet)),
      element("td", {}, deliveryActions(delivery, fleet, actions)),
    ),
  );
  const heads = ["Delivery", "Recipient", "Way", "Weight", "Status", "Carried by", "Next"];
  return table("Deliveries, the newest first", heads, rows);
}

function statusText(delivery: Delivery): string {
  const status = words(delivery.status);
  return delivery.note === null ? status : `${status}: ${delivery.note}`;
}

function carrier(delivery: Delivery, fleet: Fleet): string {
  if (delivery.assignment === null) {
    return "nobody yet";
  }
  const { courier_id, vehicle_id } = delivery.assignment;
  const courier = fleet.couriers.find(({ id }) => id === courier_id)?.name ?? `courier ${courier_id}`;
  const vehicle = fleet.vehicles.find(({ id }) => id === vehicle_id)?.plate ?? `vehicle ${vehicle_id}`;
  return `${courier}, ${vehicle}`;
}

function deliveryActions(delivery: Delivery, fleet: Fleet, actions: Actions): HTMLElement {
  const cell = element("div", { class: "actions" });
  if (delivery.next.includes("assigned")) {
    cell.append(assignForm(delivery, fleet, actions));
  }
  for (const status of delivery.next.filter((next) => next !== "assigned")) {
    const label = `${VERBS[status]}: delivery ${delivery.id}`;
    const button = element("button", { type: "button", "aria-label": label }, VERBS[status]);
    button.addEventListener("click", () => actions.change(delivery, status));
    cell.append(button);
  }
  return cell;
}

function assignForm(delivery: Delivery, fleet: Fleet, actions: Actions): HTMLElement {
  const vehicles = fleet.vehicles.filter(
    ({ status, capacity_kg }) => status === "active" && capacity_kg >= delivery.weight_kg,
  );
  const courier = select(
    `Courier for delivery ${delivery.id}`,
    fleet.couriers.map(({ id, name }) => [id, name]),
  );
  const vehicle = select(
    `Vehicle for delivery ${delivery.id}`,
    vehicles.map(({ id, plate }) => [id, plate]),
  );
  const possible = fleet.couriers.length > 0 && vehicles.length > 0;
  const label = `Assign delivery ${delivery.id}`;
  const button = element("button", { type: "submit", "aria-label": label, disabled: !possible }, "Assign");
  const form = element("form", {}, courier, vehicle, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    actions.assign(delivery, Number(courier.value), Number(vehicle.value));
  });
  return form;
}

function select(label: string, options: [number, string][]): HTMLSelectElement {
  const entries = options.map(([id, text]) => element("option", { value: id }, text));
  return element("select", { "aria-label": label }, ...entries);
}

function table(caption: string, heads: string[], rows: HTMLElement[]): HTMLElement {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  return element(
    "table",
    { "aria-label": caption },
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
}
