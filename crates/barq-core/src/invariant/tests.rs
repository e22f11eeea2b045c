//! The checker must see what is wrong: states that the rules never make, made by hand.
