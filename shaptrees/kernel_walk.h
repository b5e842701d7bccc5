/* The walk over a compiled tree, LANES rows at a time. kernel.c includes this once for every instruction set, with
   WIDTH, the bytes of its vectors, and NAME, which makes a name its own. Q and V are constants where callers pass
   constants. Every vector of LANES rows is handled as a few registers, one after the other. */

#define PER (WIDTH / 8) /* rows in a register */
#define EACH_PART _Pragma("GCC unroll 1") for (int64_t k = 0, parts = (w->rows + PER - 1) / PER; k < parts; k++)

typedef double NAME(vec) __attribute__((vector_size(WIDTH)));
typedef int64_t NAME(mask) __attribute__((vector_size(WIDTH)));
typedef double NAME(loose) __attribute__((vector_size(WIDTH), aligned(8)));
#define vec NAME(vec)
#define loose NAME(loose) /* for memory that is not ours: it need not be aligned, but is faster when it is */
#define mask NAME(mask)

INLINE vec *NAME(at)(double *base, int64_t place) { return (vec *)(base + place * LANES); }

/* h: which rows of part k go to the near side, as 1 and 0. */
INLINE vec NAME(decide)(const Program *p, const Split *s, const double *x, int64_t k) {
    const double *column = x + (int64_t)s->slot * LANES + k * PER;
    const vec one = 1 - (vec){0};
    if (__builtin_expect(s->rule != 0, 0)) {
        vec hit;
        for (int i = 0; i < PER; i++) hit[i] = in_set(p->e, s->node, column[i]) != s->swapped;
        return hit;
    }
    const mask left = *(const loose *)column <= s->threshold - (vec){0};
    return (vec)((left ^ -(int64_t)s->swapped) & (mask)one);
}

/* What one split needs at every quadrature node: F = share + t_q * run for a new feature, and for a repeated one
   F = base + lift_q * earlier + slope_q * run, where base is 0 for a row that followed it; phi += amount * sum_q
   weight_q P D. A new feature can be taken for a repeated one with earlier = 1. */
typedef struct {
    vec run, earlier, amount, base;
    const double *lift, *slope, *weight;
} NAME(Factor);

INLINE NAME(Factor) NAME(factor_of)(const Split *s, vec hit, vec earlier, double (*of)[MOST_POINTS], const int again) {
    NAME(Factor) f;
    if (!again) {
        f.amount = f.run = hit - s->share;
        return f;
    }
    f.earlier = earlier;
    f.run = earlier * hit;
    f.amount = s->earlier_share * earlier * (hit - s->share);
    f.base = s->share - s->share * earlier;
    f.lift = of[0], f.slope = of[1], f.weight = of[2];
    return f;
}

/* A steep split as its far side has it. */
INLINE Split NAME(mirrored)(const Program *p, const Split *s) {
    Split far = *s;
    far.share = far_share(p, s);
    return far;
}

/* amount of a steep split: h - share is the far share where a row goes to the near side. */
INLINE vec NAME(amount_of)(const Split *s, double far_share, vec hit, vec earlier) {
    return s->earlier_share * earlier * (hit * far_share - (1 - hit) * s->share);
}

/* lift, slope and weight of a split. */
INLINE void NAME(fill)(const Program *p, const Split *s, double (*of)[MOST_POINTS], const int Q) {
    const double before = s->earlier_share, after = before * s->share;
    for (int q = 0; q < Q; q++) {
        const double inverse = 1 / (before + p->t[q] * (1 - before));
        of[0][q] = after * (1 - p->t[q]) * inverse;
        of[1][q] = p->t[q] * inverse;
        of[2][q] = inverse * inverse;
    }
}

/* What h_e is: 1 where the feature is new. */
INLINE vec NAME(earlier)(const Work *w, const Split *s, int64_t k) {
    return s->earlier < 0 ? 1 - (vec){0} : NAME(at)(w->edge_hit, s->earlier)[k];
}

INLINE vec NAME(value_of)(const Program *p, const NAME(Factor) *f, double share, int q, const int again) {
    if (again) return f->base + f->lift[q] * f->earlier + f->slope[q] * f->run;
    return share + p->t[q] * f->run;
}

/* Down the near side: P_near = P F. */
INLINE void NAME(go_down)(const Program *p, const Split *s, const double *x, Work *w, const int Q, const int again) {
    if (again) NAME(fill)(p, s, w->factors[0], Q);
    EACH_PART {
        const vec hit = NAME(decide)(p, s, x, k);
        const NAME(Factor) f = NAME(factor_of)(s, hit, again ? NAME(earlier)(w, s, k) : hit, w->factors[0], again);
        const vec *P = NAME(at)(w->P, s->level * (int64_t)Q) + k;
        vec *below = NAME(at)(w->P, (s->level + 1) * (int64_t)Q) + k;
        NAME(at)(w->hit, s->level)[k] = hit;
        NAME(at)(w->edge_hit, s->level + 1)[k] = again ? f.run : hit;
        for (int q = 0; q < Q; q++)
            below[q * (LANES / PER)] = P[q * (LANES / PER)] * NAME(value_of)(p, &f, s->share, q, again);
    }
}

/* From the near side to the far: P_far = P - P_near. */
INLINE void NAME(turn)(const Split *s, Work *w, const int Q) {
    EACH_PART {
        vec *edge = &NAME(at)(w->edge_hit, s->level + 1)[k];
        *edge = NAME(earlier)(w, s, k) - *edge;
        const vec *P = NAME(at)(w->P, s->level * (int64_t)Q) + k;
        vec *below = NAME(at)(w->P, (s->level + 1) * (int64_t)Q) + k;
        for (int q = 0; q < Q; q++) below[q * (LANES / PER)] = P[q * (LANES / PER)] - below[q * (LANES / PER)];
    }
}

/* The same where one minus the near side's factor has no digits left: P_far = P F_far. */
static APART void NAME(turn_steep)(const Program *p, const Split *s, Work *w, const int Q, const int again) {
    const Split mirror = NAME(mirrored)(p, s);
    if (again) NAME(fill)(p, &mirror, w->factors[0], Q);
    EACH_PART {
        const vec earlier = NAME(earlier)(w, s, k), miss = 1 - NAME(at)(w->hit, s->level)[k];
        const NAME(Factor) f = NAME(factor_of)(&mirror, miss, earlier, w->factors[0], again);
        const vec *P = NAME(at)(w->P, s->level * (int64_t)Q) + k;
        vec *below = NAME(at)(w->P, (s->level + 1) * (int64_t)Q) + k;
        NAME(at)(w->edge_hit, s->level + 1)[k] = earlier * miss;
        for (int q = 0; q < Q; q++)
            below[q * (LANES / PER)] = P[q * (LANES / PER)] * NAME(value_of)(p, &f, mirror.share, q, again);
    }
}

/* Up again: phi += amount sum_q P D, G = G_far + F D; either side may be a leaf. With X, keep P D there, and amount. */
INLINE void NAME(go_up)(const Program *p, const Split *s, const double *x, Work *w, double *phi, int64_t stride,
                        const int Q, const int V, const int again, const Op op, double *X, double *amount) {
    double *into = s->keep ? w->G_near + (s->level - 1) * (int64_t)Q * V * LANES : w->G;
    double *kept = w->G_near + s->level * (int64_t)Q * V * LANES;
    if (again) NAME(fill)(p, s, w->factors[0], Q);
    EACH_PART {
        const vec hit = op == TIP ? NAME(decide)(p, s, x, k) : NAME(at)(w->hit, s->level)[k];
        const NAME(Factor) f = NAME(factor_of)(s, hit, again ? NAME(earlier)(w, s, k) : hit, w->factors[0], again);
        for (int v = 0; v < V; v++) {
            const vec near = (V == 1 ? s->near.value : s->near.values[v]) - (vec){0};
            const vec far = (V == 1 ? s->far.value : s->far.values[v]) - (vec){0};
            const vec step = near - far, run = f.run * step;
            const vec at_zero = far + (again ? f.base : s->share - (vec){0}) * step;
            vec sum = {0};
            for (int q = 0; q < Q; q++) {
                const vec P = NAME(at)(w->P, s->level * (int64_t)Q + q)[k] * (again ? f.weight[q] : 1.0);
                vec *G = &NAME(at)(w->G, v * Q + q)[k], *out = &NAME(at)(into, v * Q + q)[k];
                if (op == TIP) { /* D is the same at all nodes, so G is linear in t */
                    sum += P;
                    if (X) NAME(at)(X, v * Q + q)[k] = P * step;
                    *out = again ? at_zero + f.lift[q] * (f.earlier * step) + f.slope[q] * run : at_zero + p->t[q] * run;
                    continue;
                }
                const vec below = op == JOIN ? *G : far;
                const vec D = (op == LEAN_JOIN ? *G : NAME(at)(kept, v * Q + q)[k]) - below;
                sum += P * D;
                if (X) NAME(at)(X, v * Q + q)[k] = P * D;
                *out = below + NAME(value_of)(p, &f, s->share, q, again) * D;
            }
            if (op == TIP) sum *= step;
            ((loose *)(phi + v * stride))[k] += f.amount * sum;
        }
        if (X) NAME(at)(amount, 0)[k] = f.amount;
    }
}

/* `go_up` of a steep split: G = F_near G_near + F_far G_far. */
static APART void NAME(go_up_steep)(const Program *p, const Split *s, const double *x, Work *w, double *phi,
                                    int64_t stride, const int Q, const int V, const int again, const Op op, double *X,
                                    double *amount) {
    const Split mirror = NAME(mirrored)(p, s);
    double *into = s->keep ? w->G_near + (s->level - 1) * (int64_t)Q * V * LANES : w->G;
    double *kept = w->G_near + s->level * (int64_t)Q * V * LANES;
    if (again) NAME(fill)(p, s, w->factors[0], Q), NAME(fill)(p, &mirror, w->factors[1], Q);
    EACH_PART {
        const vec hit = op == TIP ? NAME(decide)(p, s, x, k) : NAME(at)(w->hit, s->level)[k];
        const vec earlier = NAME(earlier)(w, s, k);
        const NAME(Factor) f = NAME(factor_of)(s, hit, earlier, w->factors[0], again);
        const NAME(Factor) g = NAME(factor_of)(&mirror, 1 - hit, earlier, w->factors[1], again);
        const vec worth = NAME(amount_of)(s, mirror.share, hit, earlier);
        for (int v = 0; v < V; v++) {
            const vec near = (V == 1 ? s->near.value : s->near.values[v]) - (vec){0};
            const vec far = (V == 1 ? s->far.value : s->far.values[v]) - (vec){0};
            vec sum = {0};
            for (int q = 0; q < Q; q++) {
                vec *G = &NAME(at)(w->G, v * Q + q)[k], *out = &NAME(at)(into, v * Q + q)[k];
                const vec below = op == JOIN ? *G : far;
                const vec beside = op == TIP ? near : op == LEAN_JOIN ? *G : NAME(at)(kept, v * Q + q)[k];
                const vec PD = NAME(at)(w->P, s->level * (int64_t)Q + q)[k] * (again ? f.weight[q] : 1.0) * (beside - below);
                sum += PD;
                if (X) NAME(at)(X, v * Q + q)[k] = PD;
                *out = beside * NAME(value_of)(p, &f, s->share, q, again) +
                       below * NAME(value_of)(p, &g, mirror.share, q, again);
            }
            ((loose *)(phi + v * stride))[k] += worth * sum;
        }
        if (X) NAME(at)(amount, 0)[k] = worth;
    }
}

#include "kernel_tips.h"

INLINE void NAME(step)(const Program *p, const Split *s, const Op op, const double *x, Work *w, double *phi,
                       int64_t stride, const int Q, const int V, const int again, double *X, double *amount) {
    switch (op) {
        case SPLIT:
        case LEAN: NAME(go_down)(p, s, x, w, Q, again); break;
        case TURN: NAME(turn)(s, w, Q); break;
        case JOIN: NAME(go_up)(p, s, x, w, phi, stride, Q, V, again, JOIN, X, amount); break;
        case LEAN_JOIN: NAME(go_up)(p, s, x, w, phi, stride, Q, V, again, LEAN_JOIN, X, amount); break;
        case TIP: NAME(go_up)(p, s, x, w, phi, stride, Q, V, again, TIP, X, amount); break;
        default: break; /* fused: only in `walk` */
    }
}

INLINE void NAME(step_steep)(const Program *p, const Split *s, const Op op, const double *x, Work *w, double *phi,
                             int64_t stride, const int Q, const int V, const int again, double *X, double *amount) {
    if (op == SPLIT || op == LEAN) NAME(go_down)(p, s, x, w, Q, again);
    else if (op == TURN) NAME(turn_steep)(p, s, w, Q, again);
    else NAME(go_up_steep)(p, s, x, w, phi, stride, Q, V, again, op, X, amount);
}

/* A step of the walk over a tree that is steep, or not. */
INLINE void NAME(any_step)(const Program *p, const Split *s, const Op op, const double *x, Work *w, double *phi,
                           int64_t stride, const int Q, const int V, const int steep, double *X, double *amount) {
    const int again = s->earlier >= 0;
    if (steep) NAME(step_steep)(p, s, op, x, w, phi, stride, Q, V, again, X, amount);
    else if (again) NAME(step)(p, s, op, x, w, phi, stride, Q, V, 1, X, amount);
    else NAME(step)(p, s, op, x, w, phi, stride, Q, V, 0, X, amount);
}

/* SHAP values of one tree for one block: phi is (V, features, LANES). */
INLINE void NAME(walk_with)(const Program *p, const double *x, Work *w, double *phi, int64_t features, const int Q,
                       const int V, const int steep) {
    for (const Step *step = p->step, *end = step + p->count; step < end; step++) {
        const Split *s = p->split + step->split;
        double *own = phi + (int64_t)s->feature * LANES;
        if (V == 1 && !steep && (step->op == FORK || step->op == TWIG || step->op == TIP_JOIN))
            NAME(with_tips)(p, s, step->op, x, w, phi, Q);
        else NAME(any_step)(p, s, step->op, x, w, own, features * LANES, Q, V, steep, NULL, NULL);
    }
}

static void NAME(walk)(const Program *p, const double *x, Work *w, double *phi, int64_t features, int64_t lanes) {
    (void)lanes; /* LANES */
    if (p->values == 1) NAME(walk_with)(p, x, w, phi, features, p->points, 1, 0);
    else NAME(walk_with)(p, x, w, phi, features, p->points, p->values, 0);
}

static void NAME(walk_steep)(const Program *p, const double *x, Work *w, double *phi, int64_t features, int64_t lanes) {
    (void)lanes;
    NAME(walk_with)(p, x, w, phi, features, p->points, p->values, 1);
}
