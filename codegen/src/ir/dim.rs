//! Sizes known exactly or as polynomials over named symbols, kept in one canonical form so that equal sizes compare equal.
//!
//! Arithmetic saturates instead of overflowing: a size that large is refused when bytes are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Add, Mul, Neg, Sub};

/// The largest size of a free axis; `run` refuses larger ones. Exporters write larger numbers for "to the end".
pub const MAX_SIZE: i64 = 1_000_000_000;

/// An integer expression: a sum of products of atoms.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dim {
    /// Coefficient of each product; the empty product is the constant term. No coefficient is zero.
    terms: BTreeMap<Vec<Atom>, i64>,
}

/// What a product is made of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Atom {
    /// A size the caller chooses at run time.
    Symbol(String),
    /// Quotient rounded towards minus infinity.
    FloorDiv(Box<Dim>, Box<Dim>),
    /// Remainder with the divisor's sign.
    Mod(Box<Dim>, Box<Dim>),
    /// The greater of two.
    Max(Box<Dim>, Box<Dim>),
    /// The lesser of two.
    Min(Box<Dim>, Box<Dim>),
}

impl Dim {
    /// A size that is `name` at run time.
    pub fn symbol(name: &str) -> Dim {
        Dim::atom(Atom::Symbol(name.to_string()))
    }

    fn atom(atom: Atom) -> Dim {
        Dim { terms: BTreeMap::from([(vec![atom], 1)]) }
    }

    /// The value, if no symbol is involved.
    pub fn as_const(&self) -> Option<i64> {
        match self.terms.len() {
            0 => Some(0),
            1 => self.terms.get(&Vec::new()).copied(),
            _ => None,
        }
    }

    /// The value as an element count, if it is known and not negative.
    pub fn as_usize(&self) -> Option<usize> {
        self.as_const().and_then(|value| usize::try_from(value).ok())
    }

    /// Whether this is the number `value`.
    pub fn is(&self, value: i64) -> bool {
        self.as_const() == Some(value)
    }

    /// `self / other`, rounded towards minus infinity; exact where the polynomial divides.
    pub fn floor_div(&self, other: &Dim) -> Dim {
        if let (Some(a), Some(b)) = (self.as_const(), other.as_const())
            && b != 0
        {
            return Dim::from(a.div_euclid(b) - i64::from(b < 0 && a.rem_euclid(b) != 0));
        }
        if let Some(quotient) = self.exact_div(other) {
            return quotient;
        }
        // (b·q + r) / b = q + r / b where every coefficient of q is whole.
        if let Some(b) = other.as_const()
            && b > 0
        {
            let (mut whole, mut rest) = (Dim::default(), Dim::default());
            for (product, &coefficient) in &self.terms {
                let (q, r) = (coefficient.div_euclid(b), coefficient.rem_euclid(b));
                whole.add_term(product.clone(), q);
                rest.add_term(product.clone(), r);
            }
            if let Some(rest) = rest.as_const() {
                return whole + Dim::from(rest.div_euclid(b));
            }
            return whole + Dim::atom(Atom::FloorDiv(Box::new(rest), Box::new(other.clone())));
        }
        Dim::atom(Atom::FloorDiv(Box::new(self.clone()), Box::new(other.clone())))
    }

    /// `self / other` rounded towards plus infinity.
    pub fn ceil_div(&self, other: &Dim) -> Dim {
        -(-self.clone()).floor_div(other)
    }

    /// `self mod other`, with the sign of `other`.
    pub fn modulo(&self, other: &Dim) -> Dim {
        if let (Some(a), Some(b)) = (self.as_const(), other.as_const())
            && b != 0
        {
            let r = a.rem_euclid(b);
            return Dim::from(if r != 0 && b < 0 { r + b } else { r });
        }
        if self.exact_div(other).is_some() {
            return Dim::from(0);
        }
        Dim::atom(Atom::Mod(Box::new(self.clone()), Box::new(other.clone())))
    }

    /// The greater of the two.
    pub fn max(&self, other: &Dim) -> Dim {
        match self.apart(other) {
            Some((0.., _)) => self.clone(),
            Some((_, ..=0)) => other.clone(),
            _ => Dim::atom(Atom::Max(Box::new(self.clone()), Box::new(other.clone()))),
        }
    }

    /// The lesser of the two.
    pub fn min(&self, other: &Dim) -> Dim {
        match self.apart(other) {
            Some((_, ..=0)) => self.clone(),
            Some((0.., _)) => other.clone(),
            _ => Dim::atom(Atom::Min(Box::new(self.clone()), Box::new(other.clone()))),
        }
    }

    /// The least and greatest value of `self - other`, whatever the symbols.
    fn apart(&self, other: &Dim) -> Option<(i64, i64)> {
        (self.clone() - other.clone()).range(&|_| Some(MAX_SIZE))
    }

    /// The form two sizes are called by where they must be equal: a number before an expression, a short one before a long one.
    /// `None` if they cannot be equal.
    pub fn agreed(&self, other: &Dim) -> Option<Dim> {
        if self == other {
            return Some(self.clone());
        }
        if self.apart(other).is_some_and(|(low, high)| low > 0 || high < 0) {
            return None;
        }
        let key = |dim: &Dim| {
            let text = dim.to_string();
            (dim.as_const().is_none(), text.len(), text)
        };
        Some(if key(self) <= key(other) { self.clone() } else { other.clone() })
    }

    /// `self / other` if that is a polynomial with whole coefficients; `other` must be a single product.
    pub fn exact_div(&self, other: &Dim) -> Option<Dim> {
        if self == other && !other.is(0) {
            return Some(Dim::from(1));
        }
        let mut divisor = other.terms.iter();
        let ((factors, &coefficient), None) = (divisor.next()?, divisor.next()) else { return None };
        let mut quotient = Dim::default();
        for (product, &c) in &self.terms {
            let mut product = product.clone();
            for factor in factors {
                let at = product.iter().position(|atom| atom == factor)?;
                product.remove(at);
            }
            if c % coefficient != 0 {
                return None;
            }
            quotient.add_term(product, c / coefficient);
        }
        Some(quotient)
    }

    fn add_term(&mut self, product: Vec<Atom>, coefficient: i64) {
        let sum = self.terms.get(&product).copied().unwrap_or(0).saturating_add(coefficient);
        if sum == 0 {
            self.terms.remove(&product);
        } else {
            self.terms.insert(product, sum);
        }
    }

    /// The value where each symbol has the value `of` gives it; `None` where a divisor is zero or a symbol has none.
    pub fn eval(&self, of: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
        let mut sum = 0i64;
        for (product, &coefficient) in &self.terms {
            let mut value = coefficient;
            for atom in product {
                let a = match atom {
                    Atom::Symbol(name) => of(name)?,
                    Atom::FloorDiv(a, b) => {
                        let (a, b) = (a.eval(of)?, b.eval(of)?);
                        Dim::from(a).floor_div(&nonzero(b)?).as_const()?
                    }
                    Atom::Mod(a, b) => Dim::from(a.eval(of)?).modulo(&nonzero(b.eval(of)?)?).as_const()?,
                    Atom::Max(a, b) => a.eval(of)?.max(b.eval(of)?),
                    Atom::Min(a, b) => a.eval(of)?.min(b.eval(of)?),
                };
                value = value.saturating_mul(a);
            }
            sum = sum.saturating_add(value);
        }
        Some(sum)
    }

    /// The least and greatest value where each symbol lies between 0 and the bound `of` gives it, by interval arithmetic;
    /// `None` where a symbol has no bound.
    pub fn range(&self, of: &dyn Fn(&str) -> Option<i64>) -> Option<(i64, i64)> {
        let (mut low, mut high) = (0i64, 0i64);
        for (product, &coefficient) in &self.terms {
            let mut interval = (coefficient, coefficient);
            for atom in product {
                let (a, b) = match atom {
                    Atom::Symbol(name) => (0, of(name)?),
                    Atom::FloorDiv(a, b) => {
                        let ((a0, a1), (b0, b1)) = (a.range(of)?, b.range(of)?);
                        let (b0, b1) = (b0.max(1), b1.max(1));
                        (a0.div_euclid(if a0 < 0 { b0 } else { b1 }), a1.div_euclid(if a1 < 0 { b1 } else { b0 }))
                    }
                    Atom::Mod(_, b) => (0, b.range(of)?.1.saturating_sub(1).max(0)),
                    Atom::Max(a, b) => {
                        let ((a0, a1), (b0, b1)) = (a.range(of)?, b.range(of)?);
                        (a0.max(b0), a1.max(b1))
                    }
                    Atom::Min(a, b) => {
                        let ((a0, a1), (b0, b1)) = (a.range(of)?, b.range(of)?);
                        (a0.min(b0), a1.min(b1))
                    }
                };
                let corners = [
                    interval.0.saturating_mul(a),
                    interval.0.saturating_mul(b),
                    interval.1.saturating_mul(a),
                    interval.1.saturating_mul(b),
                ];
                interval = corners.iter().fold((i64::MAX, i64::MIN), |(l, h), &c| (l.min(c), h.max(c)));
            }
            low = low.saturating_add(interval.0);
            high = high.saturating_add(interval.1);
        }
        Some((low, high))
    }

    /// This size with each symbol replaced where `of` has a size for it.
    pub fn substitute(&self, of: &dyn Fn(&str) -> Option<Dim>) -> Dim {
        let mut sum = Dim::default();
        for (product, &coefficient) in &self.terms {
            let mut value = Dim::from(coefficient);
            for atom in product {
                value = value
                    * match atom {
                        Atom::Symbol(name) => of(name).unwrap_or_else(|| Dim::atom(atom.clone())),
                        Atom::FloorDiv(a, b) => a.substitute(of).floor_div(&b.substitute(of)),
                        Atom::Mod(a, b) => a.substitute(of).modulo(&b.substitute(of)),
                        Atom::Max(a, b) => Dim::max(&a.substitute(of), &b.substitute(of)),
                        Atom::Min(a, b) => Dim::min(&a.substitute(of), &b.substitute(of)),
                    };
            }
            sum = sum + value;
        }
        sum
    }

    /// Adds every symbol named in this size to `names`.
    pub fn symbols(&self, names: &mut BTreeSet<String>) {
        for atom in self.terms.keys().flatten() {
            match atom {
                Atom::Symbol(name) => {
                    names.insert(name.clone());
                }
                Atom::FloorDiv(a, b) | Atom::Mod(a, b) | Atom::Max(a, b) | Atom::Min(a, b) => {
                    a.symbols(names);
                    b.symbols(names);
                }
            }
        }
    }

    /// The products and their coefficients, the constant term under the empty product.
    pub fn terms(&self) -> impl Iterator<Item = (&[Atom], i64)> {
        self.terms.iter().map(|(product, &coefficient)| (product.as_slice(), coefficient))
    }

    /// The product of `dims`, 1 for none.
    pub fn product<'a>(dims: impl IntoIterator<Item = &'a Dim>) -> Dim {
        dims.into_iter().fold(Dim::from(1), |product, dim| product * dim.clone())
    }
}

fn nonzero(value: i64) -> Option<Dim> {
    (value != 0).then(|| Dim::from(value))
}

impl From<i64> for Dim {
    fn from(value: i64) -> Dim {
        let mut dim = Dim::default();
        dim.add_term(Vec::new(), value);
        dim
    }
}

impl From<i32> for Dim {
    fn from(value: i32) -> Dim {
        Dim::from(i64::from(value))
    }
}

impl From<usize> for Dim {
    fn from(value: usize) -> Dim {
        Dim::from(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl Add for Dim {
    type Output = Dim;
    fn add(mut self, other: Dim) -> Dim {
        for (product, coefficient) in other.terms {
            self.add_term(product, coefficient);
        }
        self
    }
}

impl Neg for Dim {
    type Output = Dim;
    fn neg(mut self) -> Dim {
        self.terms.values_mut().for_each(|c| *c = c.saturating_neg());
        self
    }
}

impl Sub for Dim {
    type Output = Dim;
    fn sub(self, other: Dim) -> Dim {
        self + -other
    }
}

impl Mul for Dim {
    type Output = Dim;
    fn mul(self, other: Dim) -> Dim {
        let mut result = Dim::default();
        for (p, &c) in &self.terms {
            for (q, &d) in &other.terms {
                let mut product = [p.as_slice(), q.as_slice()].concat();
                product.sort();
                result.add_term(product, c.saturating_mul(d));
            }
        }
        result
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.terms.is_empty() {
            return write!(f, "0");
        }
        // Symbols first, the constant last: `2*n+1`.
        for (i, (product, coefficient)) in self.terms.iter().rev().enumerate() {
            let sign = if *coefficient < 0 {
                "-"
            } else if i > 0 {
                "+"
            } else {
                ""
            };
            write!(f, "{sign}")?;
            let magnitude = coefficient.unsigned_abs();
            if product.is_empty() || magnitude != 1 {
                write!(f, "{magnitude}{}", if product.is_empty() { "" } else { "*" })?;
            }
            for (j, atom) in product.iter().enumerate() {
                if j > 0 {
                    write!(f, "*")?;
                }
                match atom {
                    Atom::Symbol(name) => write!(f, "{name}")?,
                    Atom::FloorDiv(a, b) => write!(f, "(({a})/({b}))")?,
                    Atom::Mod(a, b) => write!(f, "(({a})%({b}))")?,
                    Atom::Max(a, b) => write!(f, "max({a}, {b})")?,
                    Atom::Min(a, b) => write!(f, "min({a}, {b})")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sizes_have_one_form() {
        let n = Dim::symbol("n");
        let two = Dim::from(2);
        assert_eq!((n.clone() + two.clone()) * n.clone(), n.clone() * n.clone() + n.clone() * two.clone());
        assert_eq!((n.clone() * two.clone()).floor_div(&two), n);
        assert_eq!((n.clone() * two.clone() + Dim::from(1)).floor_div(&two), n);
        assert_eq!((n.clone() * Dim::from(6)).exact_div(&(n.clone() * two)), Some(Dim::from(3)));
        assert_eq!(format!("{}", n.clone() * Dim::from(2) - Dim::from(1)), "2*n-1");
        assert_eq!(n.clone() - n, Dim::from(0));
    }

    #[test]
    fn bounds_that_cannot_bind_vanish() {
        let n = Dim::symbol("n");
        assert_eq!(Dim::min(&n, &Dim::from(MAX_SIZE)), n);
        assert_eq!(Dim::max(&n, &Dim::from(0)), n);
        assert_ne!(Dim::max(&n, &Dim::from(1)), n);
    }

    #[test]
    fn sizes_agree_on_one_form_whatever_the_order() {
        let n = Dim::symbol("n");
        let doubled = n.floor_div(&Dim::from(2)) * Dim::from(2);
        assert_eq!(n.agreed(&doubled), Some(n.clone()));
        assert_eq!(doubled.agreed(&n), Some(n.clone()));
        assert_eq!(n.agreed(&Dim::from(5)), Some(Dim::from(5)));
        assert_eq!(n.agreed(&(n.clone() + Dim::from(1))), None);
        assert_eq!(Dim::from(2).agreed(&Dim::from(3)), None);
    }

    #[test]
    fn floor_div_matches_the_definition() {
        for a in -7..7i64 {
            for b in [-3i64, -2, -1, 1, 2, 3] {
                let quotient = Dim::from(a).floor_div(&Dim::from(b));
                assert_eq!(quotient.as_const(), Some((a as f64 / b as f64).floor() as i64), "{a}/{b}");
            }
        }
    }

    #[test]
    fn range_brackets_every_value() {
        let n = Dim::symbol("n");
        let size = (n.clone() * Dim::from(3) - Dim::from(5)).floor_div(&Dim::from(4)) * n;
        let (low, high) = size.range(&|_| Some(20)).unwrap();
        for value in 0..=20 {
            let at = size.eval(&|_| Some(value)).unwrap();
            assert!((low..=high).contains(&at), "{at} outside {low}..={high}");
        }
    }
}
