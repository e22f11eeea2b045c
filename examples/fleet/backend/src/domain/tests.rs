//! The rules as tables.

use super::*;

fn faults<T: std::fmt::Debug>(result: Result<T, Invalid>) -> Vec<&'static str> {
    result.unwrap_err().0.into_iter().map(|error| error.field).collect()
}

#[test]
fn a_delivery_lives_as_it_should() {
    use DeliveryStatus::{Assigned, Cancelled, Created, Delivered, Failed, PickedUp};
    let allowed = [
        (Created, Assigned),
        (Created, Cancelled),
        (Assigned, PickedUp),
        (Assigned, Cancelled),
        (Assigned, Failed),
        (PickedUp, Delivered),
        (PickedUp, Failed),
    ];
    for &from in DeliveryStatus::ALL {
        for &to in DeliveryStatus::ALL {
            let expected = allowed.contains(&(from, to));
            assert_eq!(check_transition(from, to).is_ok(), expected, "{from} to {to}");
        }
    }
}

#[test]
fn words_are_read_as_they_are_written() {
    for &status in DeliveryStatus::ALL {
        assert_eq!(DeliveryStatus::from_text(status.as_str()), Some(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    assert_eq!(DeliveryStatus::from_text("lost"), None);
}

#[test]
fn a_conflict_says_what_would_be_allowed() {
    let message = |from, to| check_transition(from, to).unwrap_err().to_string();
    assert_eq!(
        message(DeliveryStatus::Created, DeliveryStatus::Delivered),
        "a delivery that is created cannot become delivered; it can become: assigned, cancelled"
    );
    assert_eq!(
        message(DeliveryStatus::Failed, DeliveryStatus::Delivered),
        "a delivery that is failed cannot become delivered; it can become: nothing, it has ended"
    );
}

#[test]
fn vehicles_are_checked() {
    let vehicle = |plate: &str, capacity_kg| {
        NewVehicle { plate: plate.to_owned(), kind: VehicleKind::Van, capacity_kg }.checked()
    };
    assert_eq!(vehicle("  b 123-x ", 900).unwrap().plate, "B 123-X");
    assert_eq!(faults(vehicle("", 0)), ["plate", "capacity_kg"]);
    assert_eq!(faults(vehicle("B_1", 44_001)), ["plate", "capacity_kg"]);
    assert_eq!(faults(vehicle("12345678901234567", 1)), ["plate"]);
}

#[test]
fn couriers_are_checked() {
    let courier = |name: &str, phone: &str| NewCourier { name: name.to_owned(), phone: phone.to_owned() }.checked();
    assert_eq!(courier("Rana", "+961 70-123 456").unwrap().phone, "+96170123456");
    for phone in ["70123456", "+12345", "+1234567890123456", "+96170x23456", ""] {
        assert_eq!(faults(courier("Rana", phone)), ["phone"], "{phone}");
    }
    assert_eq!(faults(courier("a\u{7}b", "+96170123456")), ["name"]);
}

#[test]
fn deliveries_are_checked() {
    let delivery = |pickup: &str, dropoff: &str, weight_kg| {
        let [recipient, pickup, dropoff] = ["Ali", pickup, dropoff].map(str::to_owned);
        NewDelivery { recipient, pickup, dropoff, weight_kg }.checked()
    };
    assert!(delivery("Hamra 1", "Verdun 2", 1).is_ok());
    assert_eq!(faults(delivery("Hamra 1", " Hamra 1 ", 1)), ["dropoff"]);
    assert_eq!(faults(delivery("", "", -1)), ["pickup", "dropoff", "weight_kg"]);
}

#[test]
fn status_changes_are_checked() {
    let change = |status, note: Option<&str>| StatusChange { status, note: note.map(str::to_owned) }.checked();
    assert!(change(DeliveryStatus::PickedUp, None).is_ok());
    assert!(change(DeliveryStatus::Failed, Some("nobody at home")).is_ok());
    assert_eq!(faults(change(DeliveryStatus::Failed, None)), ["note"]);
    assert_eq!(faults(change(DeliveryStatus::Cancelled, Some(" "))), ["note"]);
    assert_eq!(faults(change(DeliveryStatus::Assigned, None)), ["status"]);
    assert_eq!(faults(change(DeliveryStatus::Created, None)), ["status"]);
}

#[test]
fn assignments_are_checked() {
    let good = AssignmentFacts {
        delivery_status: DeliveryStatus::Created,
        weight_kg: 100,
        courier_id: CourierId(7),
        courier_status: CourierStatus::OnDuty,
        vehicle_status: VehicleStatus::Active,
        capacity_kg: 900,
        loaded_kg: 800,
        driver: Some(CourierId(7)),
    };
    let check = |change: fn(&mut AssignmentFacts)| {
        let mut facts = good.clone();
        change(&mut facts);
        check_assignment(&facts)
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(check(|facts| facts.driver = None), Ok(()));
    assert_eq!(check(|facts| facts.weight_kg = 101), Err(Conflict::OverCapacity { weight_kg: 101, free_kg: 100 }));
    assert_eq!(check(|facts| facts.driver = Some(CourierId(8))), Err(Conflict::VehicleTaken(CourierId(8))));
    assert_eq!(
        check(|facts| facts.vehicle_status = VehicleStatus::Maintenance),
        Err(Conflict::VehicleNotActive(VehicleStatus::Maintenance))
    );
    assert_eq!(
        check(|facts| facts.courier_status = CourierStatus::OffDuty),
        Err(Conflict::CourierNotOnDuty(CourierStatus::OffDuty))
    );
    assert_eq!(
        check(|facts| facts.delivery_status = DeliveryStatus::Assigned),
        Err(Conflict::Transition { from: DeliveryStatus::Assigned, to: DeliveryStatus::Assigned })
    );
}
