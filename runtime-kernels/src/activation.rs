//! The activations ONNX lets a recurrent layer choose from, as types, so that a layer is compiled for those it uses.

use super::math_exp::{exp, expm1};
use super::math_log::log1p;
use super::math_sigmoid::sigmoid;
use super::math_tanh::tanh;
use super::simd::Simd;

/// A function applied to each element.
pub trait Activation: Copy {
    /// The function of each lane.
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32;
}

/// `1 / (1 + e^-x)`
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

impl Activation for Sigmoid {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        sigmoid(s, x)
    }
}

/// `tanh x`
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl Activation for Tanh {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        tanh(s, x)
    }
}

/// `max(0, x)`
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Activation for Relu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.max(x, s.splat(0.0))
    }
}

/// `alpha x + beta`
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    /// Slope.
    pub alpha: f32,
    /// Value at 0.
    pub beta: f32,
}

impl Activation for Affine {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.fma(x, s.splat(self.alpha), s.splat(self.beta))
    }
}

/// `alpha x + beta`, kept between 0 and 1
#[derive(Clone, Copy, Debug)]
pub struct HardSigmoid {
    /// Slope.
    pub alpha: f32,
    /// Value at 0.
    pub beta: f32,
}

impl Activation for HardSigmoid {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        let y = s.fma(x, s.splat(self.alpha), s.splat(self.beta));
        s.min(s.max(y, s.splat(0.0)), s.splat(1.0))
    }
}

/// `x`, below 0 `alpha x`
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    /// Slope below 0.
    pub alpha: f32,
}

impl Activation for LeakyRelu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.select(s.lt(x, s.splat(0.0)), s.mul(x, s.splat(self.alpha)), x)
    }
}

/// `x`, below `alpha` 0
#[derive(Clone, Copy, Debug)]
pub struct ThresholdedRelu {
    /// Where it starts.
    pub alpha: f32,
}

impl Activation for ThresholdedRelu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.select(s.lt(x, s.splat(self.alpha)), s.splat(0.0), x)
    }
}

/// `alpha tanh(beta x)`
#[derive(Clone, Copy, Debug)]
pub struct ScaledTanh {
    /// Scale of the value.
    pub alpha: f32,
    /// Scale of the argument.
    pub beta: f32,
}

impl Activation for ScaledTanh {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.mul(s.splat(self.alpha), tanh(s, s.mul(s.splat(self.beta), x)))
    }
}

/// `x`, below 0 `alpha (e^x - 1)`
#[derive(Clone, Copy, Debug)]
pub struct Elu {
    /// Minus the value far below 0.
    pub alpha: f32,
}

impl Activation for Elu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.select(s.lt(x, s.splat(0.0)), s.mul(s.splat(self.alpha), expm1(s, x)), x)
    }
}

/// `x / (1 + |x|)`
#[derive(Clone, Copy, Debug)]
pub struct Softsign;

impl Activation for Softsign {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        s.div(x, s.add(s.splat(1.0), s.abs(x)))
    }
}

/// `log(1 + e^x)`
#[derive(Clone, Copy, Debug)]
pub struct Softplus;

impl Activation for Softplus {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32 {
        // e^-|x| never overflows.
        s.add(s.max(x, s.splat(0.0)), log1p(s, exp(s, s.neg(s.abs(x)))))
    }
}
