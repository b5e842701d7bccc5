/* The arrays that Python passes: taken by the buffer protocol, and held to their types, sizes and indices before any is
   used. Included by kernel.c. */

static const struct {
    const char *name;
    char code;
    int size;
} FIELDS[] = {
    {"offsets", 'i', 4},   {"left", 'i', 4},      {"right", 'i', 4},     {"feature", 'i', 4}, {"slot", 'i', 4},
    {"threshold", 'd', 8}, {"rule", 'B', 1},      {"set_start", 'i', 4}, {"set_words", 'i', 4}, {"sets", 'I', 4},
    {"share", 'd', 8},     {"cover", 'd', 8},     {"values", 'd', 8},    {"tree_output", 'i', 4}, {"points", 'd', 8},
    {"blocks", 'd', 8},    {"phi", 'd', 8},
};
enum { OFFSETS, LEFT, RIGHT, FEATURE, SLOT, THRESHOLD, RULE, SET_START, SET_WORDS, SETS, SHARE, COVER, VALUES,
       TREE_OUTPUT, POINTS, BLOCKS, PHI, FIELD_COUNT };

static void release(Py_buffer *views, int count) {
    for (int i = 0; i < count; i++) PyBuffer_Release(&views[i]);
}

static int acquire_one(PyObject *array, Py_buffer *view, const char *name, char code, int size, int writable) {
    if (PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return -1;
    if (view->itemsize == size && view->format && view->format[0] == code && !view->format[1]) return 0;
    PyErr_Format(PyExc_TypeError, "%s: expected items of type %c", name, code);
    PyBuffer_Release(view);
    return -1;
}

static int acquire(PyObject *arrays, Py_buffer *views) {
    if (!PyTuple_Check(arrays) || PyTuple_Size(arrays) != FIELD_COUNT) {
        PyErr_Format(PyExc_TypeError, "expected a tuple of %d arrays", (int)FIELD_COUNT);
        return -1;
    }
    for (int i = 0; i < FIELD_COUNT; i++)
        if (acquire_one(PyTuple_GetItem(arrays, i), &views[i], FIELDS[i].name, FIELDS[i].code, FIELDS[i].size,
                        i == PHI) < 0) {
            release(views, i);
            return -1;
        }
    return 0;
}

/* Two arrays after the others; all are released where it fails. The number of all, or -1. */
static int acquire_pairs(PyObject *pairs, Py_buffer *views) {
    static const char *const NAMES[] = {"pair_start", "pair_other"};
    int acquired = FIELD_COUNT;
    if (!PyTuple_Check(pairs) || PyTuple_Size(pairs) != 2) PyErr_SetString(PyExc_TypeError, "pairs: expected two arrays");
    else
        while (acquired < FIELD_COUNT + 2 && acquire_one(PyTuple_GetItem(pairs, acquired - FIELD_COUNT), &views[acquired],
                                                         NAMES[acquired - FIELD_COUNT], 'i', 4, 0) == 0)
            acquired++;
    if (acquired == FIELD_COUNT + 2) return acquired;
    release(views, acquired);
    return -1;
}

static const char *describe(const Py_buffer *views, int64_t slots, int64_t features, int64_t outputs, Ensemble *e) {
    int64_t count[FIELD_COUNT];
    for (int i = 0; i < FIELD_COUNT; i++) count[i] = views[i].len / FIELDS[i].size;
    if (slots < 1 || features < 1 || outputs < 1 || slots > INT32_MAX || features > INT32_MAX || outputs > INT32_MAX)
        return "a size is not positive";
    *e = (Ensemble){
        .offsets = views[OFFSETS].buf, .left = views[LEFT].buf, .right = views[RIGHT].buf,
        .feature = views[FEATURE].buf, .slot = views[SLOT].buf, .set_start = views[SET_START].buf,
        .set_words = views[SET_WORDS].buf, .tree_output = views[TREE_OUTPUT].buf, .rule = views[RULE].buf,
        .sets = views[SETS].buf, .threshold = views[THRESHOLD].buf, .share = views[SHARE].buf,
        .cover = views[COVER].buf, .values = views[VALUES].buf, .points = views[POINTS].buf, .nodes = count[LEFT],
        .trees = count[OFFSETS] - 1, .words = count[SETS], .slots = slots, .features = features, .outputs = outputs,
    };
    static const int PER_NODE[] = {RIGHT, FEATURE, SLOT, THRESHOLD, RULE, SET_START, SET_WORDS, SHARE, COVER};
    for (size_t i = 0; i < sizeof PER_NODE / sizeof *PER_NODE; i++)
        if (count[PER_NODE[i]] != e->nodes) return "the arrays of nodes differ in length";
    if (e->trees < 1 || e->nodes < 1 || count[TREE_OUTPUT] != e->trees) return "the arrays of trees differ in length";
    if (count[VALUES] % e->nodes || count[VALUES] < e->nodes) return "values are not the same number for every node";
    e->values_a_leaf = count[VALUES] / e->nodes;
    if (count[POINTS] != 2 * MOST_POINTS * (MOST_POINTS + 1)) return "the table of quadrature nodes has another size";
    return check(e);
}

/* The pairs that meet: for each feature where its partners of a higher number begin, and all of these, in order. */
static const char *describe_pairs(const Py_buffer *start, const Py_buffer *other, Ensemble *e) {
    e->pair_start = start->buf, e->pair_other = other->buf, e->pairs = other->len / 4;
    if (start->len / 4 != e->features + 1 || e->pair_start[0] != 0 || e->pair_start[e->features] != e->pairs)
        return "the pairs of features are not in order";
    for (int64_t feature = 0; feature < e->features; feature++)
        if (e->pair_start[feature] > e->pair_start[feature + 1]) return "the pairs of features are not in order";
    return e->features + e->pairs > INT32_MAX ? "there are too many pairs of features" : NULL;
}

/* Whether the arrays of rows and results go together. A single block of pairs may have fewer lanes, as these are large;
   they hold whole vectors of any width. */
static int fits(const Py_buffer *views, const Ensemble *e, int64_t rows, int64_t lanes) {
    const int64_t block = e->slots * LANES * 8, blocks = views[BLOCKS].len / block;
    const __int128 size = (__int128)(e->features + e->pairs) * e->outputs * lanes * 8 * blocks;
    if (rows < 0 || rows > blocks * LANES || rows <= (blocks - 1) * LANES) return 0;
    if (lanes != LANES && (!e->pair_start || blocks > 1 || lanes < rows || lanes % 8 || lanes > LANES)) return 0;
    return views[BLOCKS].len % block == 0 && size == views[PHI].len;
}
