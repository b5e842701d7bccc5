/* Exact SHAP values of tree ensembles in O(splits x Q) a row; called by engine.py, which explains the mathematics.

   For one leaf of value v, with P the distinct features on its path, c_j the product of cover shares along the edges
   that split on j, and h_j whether the row follows all of those edges:

       phi_i += v (h_i - c_i) integral over [0, 1] of the product over j != i of (c_j + t (h_j - c_j)) dt

   The integrand is a polynomial in t, so a sum over Q Gauss-Legendre nodes is exact, or as exact as is needed.
   One walk over the tree does it for LANES rows at once. Downwards goes P[q], the weight of node q times the product
   of the factors of all edges above; upwards comes G[q], what the subtree is worth at node q. At a split with factor F
   for its near side and P as it arrives:

       P_near = P F    P_far = P - P_near    D = G_near - G_far    G = G_far + F D    phi_f += (h - c) sum_q P D

   A feature that was split on above, with (h_e, c_e) accumulated there, has its old factor divided out:
   F = (c_e c + t (h_e h - c_e c)) / (c_e + t (h_e - c_e)), and phi_f += h_e (h c_e - c_e c) sum_q P D / (...)^2. Both
   quotients take one of two values, by h_e, so the divisions are done once a split and not once a row.

   A tree is first compiled into a list of steps, in the order of the walk: no recursion, and the tree is checked while
   it is compiled. A tree with an edge that next to none of the cover follows is walked with the factors of both sides,
   as one minus the other has no digits left (`steep`). Splits above two leaves are done by their parents' steps (kernel_tips.h). What limits the rest: P and G
   of upper splits go through the first-level cache, some ten loads and stores a node and split, and a fifth of the time
   was the price of a step as such, which is why a block has as many as 64 rows. Everything is allocated before rows are touched. Not covered here: reading models, NaN and type
   casts (columns.py), expected values (arrays.py).

   Interactions add up in a cell for each pair of features that meet on a path (pairs.py), behind the cells of the values:
   on wide data most pairs never meet. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef LANES
#define LANES 64 /* rows a block: what a step costs besides is shared by so many */
#endif
#define MOST_POINTS 64 /* quadrature nodes; exact up to 128 distinct features on a path */
#define LEAF (-1)
#define ALIGN 64
#define CALLS 2 /* goes up when the functions below are called in another way: see levels.py */

#define INLINE static inline __attribute__((always_inline))
#define APART __attribute__((noinline)) /* what is rare stays out of the code of what is not */

#include "kernel_program.h"
#include "kernel_compile.h"
#include "kernel_background_state.h"
#include "kernel_predict.h"

/* ---- dispatch: the same code, compiled for several processors ------------------------------------------------- */

#define WIDTH 16
#define NAME(name) name##_baseline
#include "kernel_walk.h"
#include "kernel_pairs.h"
#include "kernel_background_pairs.h"
#include "kernel_background.h"
#undef WIDTH
#undef NAME

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define X86_LEVELS 1
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define WIDTH 32
#define NAME(name) name##_avx2
#include "kernel_walk.h"
#include "kernel_pairs.h"
#include "kernel_background_pairs.h"
#include "kernel_background.h"
#undef WIDTH
#undef NAME
#pragma GCC target("avx512f,avx512dq,avx512vl")
#define WIDTH 64
#define NAME(name) name##_avx512
#include "kernel_walk.h"
#include "kernel_pairs.h"
#undef WIDTH
#undef NAME
#pragma GCC pop_options
#endif

typedef void Walker(const Program *, const double *, Work *, double *, int64_t cells, int64_t lanes);

typedef struct {
    const char *name;
    Walker *walk, *walk_steep, *walk_pairs, *walk_pairs_steep;
    const char *(*walk_background)(State *, int64_t tree);
} Level;

static const Level LEVELS[] = {
    {"baseline", walk_baseline, walk_steep_baseline, walk_pairs_baseline, walk_pairs_steep_baseline,
     walk_background_baseline},
#ifdef X86_LEVELS
    {"avx2", walk_avx2, walk_steep_avx2, walk_pairs_avx2, walk_pairs_steep_avx2,
     walk_background_avx2},
    {"avx512", walk_avx512, walk_steep_avx512, walk_pairs_avx512, walk_pairs_steep_avx512,
     walk_background_avx2}, /* looks up tables, which 512 bits make slower */
#endif
};

/* The number of levels, from the first, that this processor can run. */
static int usable_levels(void) {
#ifdef X86_LEVELS
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return 2;
    return 3;
#else
    return 1;
#endif
}

/* ---- Python ---------------------------------------------------------------------------------------------------- */

#include "kernel_arguments.h"

/* All trees over all rows, one tree at a time so that it stays in the cache. Returns NULL or what went wrong. */
static const char *run(const Ensemble *e, const double *blocks, int64_t rows, double *phi, int64_t lanes,
                       const Level *level) {
    const int pairs = e->pair_start != NULL;
    const int64_t cells = e->features + e->pairs;
    Program program = {0};
    Work work = {0};
    const char *fault = plan(e, &program, &work);
    for (int64_t tree = 0; tree < e->trees && !fault; tree++) {
        program.fused = !pairs && (e->tree_output[tree] >= 0 || e->values_a_leaf == 1);
        fault = compile(e, tree, &program);
        if (!fault && program.steep && program.fused) program.fused = 0, fault = compile(e, tree, &program);
        if (fault || !program.count) continue;
        Walker *walker = program.steep ? (pairs ? level->walk_pairs_steep : level->walk_steep)
                                       : (pairs ? level->walk_pairs : level->walk);
        const int64_t output = e->tree_output[tree] < 0 ? 0 : e->tree_output[tree];
        prepare(&program, &work);
        for (int64_t block = 0; block * LANES < rows; block++) {
            work.rows = rows - block * LANES < LANES ? rows - block * LANES : LANES;
            walker(&program, blocks + block * e->slots * LANES, &work,
                   phi + (block * e->outputs + output) * cells * lanes, cells, lanes);
        }
    }
    dismantle(&program, &work);
    return fault;
}

static PyObject *outcome(const char *fault) {
    if (fault == NO_MEMORY) return PyErr_NoMemory();
    if (!fault) Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, fault);
    return NULL;
}

/* `pairs` is None, or two arrays: see describe_pairs. */
static PyObject *accumulate(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *arrays, *pairs;
    long long rows, slots, features, outputs, lanes;
    int level;
    if (!PyArg_ParseTuple(args, "OOLLLLLi", &arrays, &pairs, &rows, &lanes, &slots, &features, &outputs, &level))
        return NULL;
    if (level < 0 || level >= usable_levels()) {
        PyErr_SetString(PyExc_ValueError, "this processor cannot run that level");
        return NULL;
    }
    Py_buffer views[FIELD_COUNT + 2];
    if (acquire(arrays, views) < 0) return NULL;
    int acquired = FIELD_COUNT;
    if (pairs != Py_None && (acquired = acquire_pairs(pairs, views)) < 0) return NULL;
    Ensemble ensemble;
    const char *fault;
    Py_BEGIN_ALLOW_THREADS;
    fault = describe(views, slots, features, outputs, &ensemble);
    if (!fault && pairs != Py_None) fault = describe_pairs(&views[FIELD_COUNT], &views[FIELD_COUNT + 1], &ensemble);
    if (!fault && !fits(views, &ensemble, rows, lanes)) fault = "rows and result differ in size";
    if (!fault) fault = run(&ensemble, views[BLOCKS].buf, rows, views[PHI].buf, lanes, &LEVELS[level]);
    Py_END_ALLOW_THREADS;
    release(views, acquired);
    return outcome(fault);
}

static const char *run_background(State *s, int pairs, const char *(*walk)(State *, int64_t)) {
    const Ensemble *e = s->e;
    const char *fault = allocate_state(s, pairs);
    for (int64_t tree = 0; tree < e->trees && !fault; tree++) {
        const int32_t output = e->tree_output[tree];
        s->values = output < 0 ? e->values_a_leaf : 1;
        s->output = s->phi + (output < 0 ? 0 : output) * e->features * (pairs ? e->features : s->rows);
        fault = walk(s, tree);
    }
    free_state(s);
    return fault;
}

/* Arrays as for `accumulate`, but rows are (slots, rows) and phi (outputs, features, rows), or of pairs (rows, outputs,
   features, features). */
static PyObject *accumulate_background(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *arrays, *background, *weight;
    long long slots, features, outputs;
    int pairs, level;
    if (!PyArg_ParseTuple(args, "OOOLLLpi", &arrays, &background, &weight, &slots, &features, &outputs, &pairs, &level))
        return NULL;
    if (level < 0 || level >= usable_levels()) {
        PyErr_SetString(PyExc_ValueError, "this processor cannot run that level");
        return NULL;
    }
    Py_buffer views[FIELD_COUNT + 2];
    if (acquire(arrays, views) < 0) return NULL;
    if (acquire_one(background, &views[FIELD_COUNT], "background", 'd', 8, 0) < 0) {
        release(views, FIELD_COUNT);
        return NULL;
    }
    if (acquire_one(weight, &views[FIELD_COUNT + 1], "weight", 'd', 8, 0) < 0) {
        release(views, FIELD_COUNT + 1);
        return NULL;
    }
    Ensemble e;
    State *state = calloc(1, sizeof *state);
    const char *fault = state ? NULL : NO_MEMORY;
    Py_BEGIN_ALLOW_THREADS;
    if (!fault) fault = describe(views, slots, features, outputs, &e);
    if (!fault) {
        *state = (State){.e = &e, .x = views[BLOCKS].buf, .background = views[FIELD_COUNT].buf,
                         .weight = views[FIELD_COUNT + 1].buf, .phi = views[PHI].buf,
                         .rows = views[BLOCKS].len / 8 / slots, .back = views[FIELD_COUNT + 1].len / 8};
        if (state->back < 1 || views[FIELD_COUNT].len / 8 / slots != state->back ||
            views[FIELD_COUNT].len / 8 % slots || views[BLOCKS].len / 8 % slots ||
            (__int128)state->rows * features * outputs * (pairs ? features : 1) * 8 != views[PHI].len)
            fault = "rows, background and result differ in size";
    }
    if (!fault) fault = run_background(state, pairs, LEVELS[level].walk_background);
    free(state);
    Py_END_ALLOW_THREADS;
    release(views, FIELD_COUNT + 2);
    return outcome(fault);
}

/* Arrays as for `accumulate`, but rows are (rows, slots) and phi (rows, outputs). */
static PyObject *predict(PyObject *self, PyObject *args) {
    (void)self;
    PyObject *arrays;
    long long slots, features, outputs;
    if (!PyArg_ParseTuple(args, "OLLL", &arrays, &slots, &features, &outputs)) return NULL;
    Py_buffer views[FIELD_COUNT];
    if (acquire(arrays, views) < 0) return NULL;
    Ensemble e;
    const char *fault;
    Py_BEGIN_ALLOW_THREADS;
    fault = describe(views, slots, features, outputs, &e);
    const int64_t rows = fault ? 0 : views[BLOCKS].len / 8 / slots;
    if (!fault && (views[BLOCKS].len / 8 % slots || (__int128)rows * outputs * 8 != views[PHI].len))
        fault = "rows and result differ in size";
    if (!fault) forecast(&e, views[BLOCKS].buf, rows, views[PHI].buf);
    Py_END_ALLOW_THREADS;
    release(views, FIELD_COUNT);
    return outcome(fault);
}

static PyObject *levels(PyObject *self, PyObject *none) {
    (void)self, (void)none;
    const int count = usable_levels();
    PyObject *names = PyTuple_New(count);
    for (int i = 0; names && i < count; i++) PyTuple_SetItem(names, i, PyUnicode_FromString(LEVELS[i].name));
    return names;
}

static PyMethodDef METHODS[] = {
    {"accumulate", accumulate, METH_VARARGS, "accumulate(arrays, pairs, rows, lanes, slots, features, outputs, level)"},
    {"accumulate_background", accumulate_background, METH_VARARGS,
     "accumulate_background(arrays, background, weight, slots, features, outputs, pairs, level)"},
    {"predict", predict, METH_VARARGS, "predict(arrays, slots, features, outputs)"},
    {"levels", levels, METH_NOARGS, "levels() -> the instruction sets that this processor can run, slowest first"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_kernel", NULL, -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void) {
    PyObject *module = PyModule_Create(&MODULE);
    if (module && (PyModule_AddIntConstant(module, "LANES", LANES) < 0 ||
                   PyModule_AddIntConstant(module, "CALLS", CALLS) < 0 ||
                   PyModule_AddIntConstant(module, "MOST_POINTS", MOST_POINTS) < 0))
        Py_CLEAR(module);
    return module;
}
