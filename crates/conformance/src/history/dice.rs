use domain::timestamp::Timestamp;

/// Random numbers that a seed repeats (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same way whenever they start from this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below that one.
    pub fn below(&mut self, bound: u8) -> u8 {
        (self.number() % u64::from(bound)) as u8
    }

    /// A number below that one, more often a low one: calls that name things by it often meet.
    pub fn low(&mut self, bound: u8) -> u8 {
        self.below(bound).min(self.below(bound))
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: u8) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[(self.number() % all.len() as u64) as usize]
    }

    /// Some of the numbers below that one, maybe none, in any order.
    pub fn some_below(&mut self, bound: u8) -> Vec<u8> {
        let mut some: Vec<u8> = (0..bound).filter(|_| self.once_in(2)).collect();
        for i in (1..some.len()).rev() {
            some.swap(i, self.below(i as u8 + 1).into());
        }
        some
    }
}

/// Where and when calls are made. Calls name things by small numbers; a scene gives each number an
/// id, so one history can be played again on ids that no store has seen.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// The moment.
    pub now: Timestamp,
    name: [u8; 32],
    differs_at: usize,
}

impl Scene {
    /// A scene of its own. Its ids differ from each other in one byte only: stores that look at a
    /// part of an id, to spread or to sort them, get them in any distribution.
    pub fn new(name: [u8; 32], now: Timestamp) -> Self {
        Self {
            now,
            name,
            differs_at: name[31].into(),
        }
    }

    /// The bytes that stand for a number here.
    pub fn bytes<const N: usize>(&self, number: u8) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.name[..N]);
        bytes[self.differs_at % N] ^= number;
        bytes
    }
}
